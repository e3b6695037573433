"""Tools whose requirements conflict with ours, each in an environment of its own.

``python-iotronicclient`` and ``schemathesis`` want other versions of what the
router brings. A test asks for the tool's path::

    iotronic = side_environment.executable("iotronicclient", "iotronic")
    subprocess.run([iotronic, "board-list"], check=True)

The environment is made at the first call from ``constraints-<name>.txt`` and
kept below ``.tox``; a changed file makes a new one.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
INSTALL_TIMEOUT_S = 600
"""Seconds an installation may take; a fresh machine downloads some 30 MB."""


def executable(name: str, program: str) -> Path:
    """Return the path of a program of the environment, made when absent.

    :param name: ``iotronicclient`` or ``schemathesis``
    :param program: file name in the environment's ``bin``
    :raises subprocess.CalledProcessError: it cannot be installed

    Blocks for up to INSTALL_TIMEOUT_S at the first call.
    """
    requirements = REPOSITORY / f"constraints-{name}.txt"
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    folder = REPOSITORY / ".tox" / "side" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            build(folder, requirements)
    return folder / "bin" / program


def build(folder: Path, requirements: Path) -> None:
    """Make the environment and install exactly the requirements."""
    shutil.rmtree(folder, ignore_errors=True)
    make = [sys.executable, "-m", "virtualenv", "--quiet", str(folder)]
    subprocess.run(make, check=True, timeout=INSTALL_TIMEOUT_S)
    install = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-deps"]
    install += ["-r", str(requirements)]
    subprocess.run(install, check=True, timeout=INSTALL_TIMEOUT_S)
    (folder / "complete").touch()

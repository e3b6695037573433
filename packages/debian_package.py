"""The Debian package of the agent: a Python environment of its own below ``/usr/lib``.

It holds the agent and the libraries of its extras at the versions of ``constraints.txt``, as
wheels of the target's architecture; the interpreter is Debian's. Nothing of the target is run, so
one machine builds for all. The cloud's package, which is in the same wheel, is left out.
"""

from __future__ import annotations

import compileall
import csv
import io
import os
import platform
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

from packages.distributions import BUILD_S

NAME = "lightning-agent"

ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Debian's name → the wheels' name. 32-bit ARM is missing: PyPI has no wheels of numpy for it."""

PYTHON = (3, 11)
"""The interpreter of Debian 12, for which the wheels are chosen."""

GLIBC = 36
"""Minor version of Debian 12's libc, 2.36: wheels may ask for it or an older one."""

EXTRAS = "agent,camera,inference"

HOME = Path("usr/lib") / NAME
"""The environment, relative to the root."""

SITE = HOME / f"lib/python{PYTHON[0]}.{PYTHON[1]}/site-packages"

PROGRAM = f"""#!/{HOME}/bin/python3 -I
import sys
from lightning_agent.cmd import main
sys.exit(main())
"""
"""``/usr/bin/lightning-agent``; ``-I``: no variable or file of the caller changes what runs."""

ENVIRONMENT = f"""home = /usr/bin
include-system-site-packages = false
version = {PYTHON[0]}.{PYTHON[1]}
"""
"""``pyvenv.cfg``, which makes a folder an environment."""

SCRIPTS = ("postinst", "prerm", "postrm")
UNITS = ("lightning-agent.service", "lightning-agent-supervisor.service")


def host_architecture() -> str:
    """Return Debian's name of this machine's architecture, ``amd64`` for an unknown one."""
    names = {wheels: debian for debian, wheels in ARCHITECTURES.items()}
    return names.get(platform.machine(), "amd64")


def build_package(
    checkout: Path, wheel: Path, folder: Path, work: Path, architecture: str, epoch_s: int
) -> Path:
    """Build the package into ``folder``; return its path.

    :param epoch_s: time of all files, seconds since 1970
    :raises ValueError: this interpreter writes other bytecode than Debian 12's
    """
    if sys.version_info[:2] != PYTHON:
        raise ValueError(f"build with Python {PYTHON[0]}.{PYTHON[1]}: Debian 12 has it")
    version = debian_version(wheel.name.split("-")[1])
    root = work / "root"
    install_libraries(checkout, wheel, root / SITE, architecture)
    install_program(root)
    install_files(checkout, root)
    compile_all(root)
    control(checkout, root, version, architecture)
    settle(root, epoch_s)
    result = folder / f"{NAME}_{version}_{architecture}.deb"
    # Debian 12 reads zstd; xz takes two minutes for a package a fifth smaller
    command = ["dpkg-deb", "--root-owner-group", "-Zzstd", "-z9"]
    subprocess.run(
        [*command, "--build", str(root), str(result)],
        check=True,
        timeout=BUILD_S,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)},
    )
    return result


def debian_version(version: str) -> str:
    """Return a version of Python's as Debian sorts it: ``1.0rc1`` before ``1.0``."""
    for mark in ("a", "b", "rc", ".dev"):
        head, found, tail = version.partition(mark)
        if found:
            return f"{head}~{mark.lstrip('.')}{tail}"
    return version


def install_libraries(checkout: Path, wheel: Path, site: Path, architecture: str) -> None:
    """Install the wheel with its extras and all they need into a folder."""
    machine = ARCHITECTURES[architecture]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 4, -1)]
    tags += [f"manylinux{legacy}_{machine}" for legacy in ("2014", "2010", "1")]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--only-binary=:all:", "--no-compile", "--target", str(site)]
    command += ["--implementation", "cp", "--python-version", f"{PYTHON[0]}.{PYTHON[1]}"]
    command += [word for tag in tags for word in ("--platform", tag)]
    command += ["--constraint", str(checkout / "constraints.txt"), f"{wheel}[{EXTRAS}]"]
    subprocess.run(command, check=True, timeout=BUILD_S, umask=0o022)
    for left_out in ("bin", "iotronic_mec"):
        shutil.rmtree(site / left_out, ignore_errors=True)
    for record in site.glob("*.dist-info/RECORD"):
        # says where the wheel lay; the like has no meaning on a board
        (record.parent / "direct_url.json").unlink(missing_ok=True)
        keep_records(record)


def keep_records(record: Path) -> None:
    """Leave the lines of the files that are there."""
    site = record.parent.parent
    rows = list(csv.reader(io.StringIO(record.read_text(encoding="utf-8"))))
    kept = io.StringIO()
    writer = csv.writer(kept, lineterminator="\n")
    writer.writerows(row for row in rows if row and (site / row[0]).is_file())
    record.write_text(kept.getvalue(), encoding="utf-8")


def install_program(root: Path) -> None:
    """Make the environment around the libraries, and the command."""
    (root / HOME / "bin").mkdir()
    (root / HOME / "bin/python3").symlink_to(f"/usr/bin/python{PYTHON[0]}.{PYTHON[1]}")
    (root / HOME / "pyvenv.cfg").write_text(ENVIRONMENT, encoding="utf-8")
    (root / "usr/bin").mkdir()
    (root / "usr/bin" / NAME).write_text(PROGRAM, encoding="utf-8")
    (root / "usr/bin" / NAME).chmod(0o755)


def install_files(checkout: Path, root: Path) -> None:
    """Copy the units, and who may use what under which terms."""
    units = root / "lib/systemd/system"
    units.mkdir(parents=True)
    for unit in UNITS:
        shutil.copyfile(checkout / "etc/systemd" / unit, units / unit)
    documents = root / "usr/share/doc" / NAME
    documents.mkdir(parents=True)
    shutil.copyfile(checkout / "packages/debian/copyright", documents / "copyright")


def compile_all(root: Path) -> None:
    """Write the bytecode: the environment is read-only on the board.

    It is never compared with its source, which would cost a call per module at each start.
    """
    compileall.compile_dir(
        root / SITE,
        quiet=2,
        stripdir=root,
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


def control(checkout: Path, root: Path, version: str, architecture: str) -> None:
    """Write what dpkg reads: the control file and the scripts."""
    folder = root / "DEBIAN"
    folder.mkdir()
    sources = checkout / "packages/debian"
    size_kib = sum(path.lstat().st_size for path in root.rglob("*")) // 1024
    text = (sources / "control").read_text(encoding="utf-8")
    for name, value in (
        ("version", version),
        ("architecture", architecture),
        ("size_kib", str(size_kib)),
    ):
        text = text.replace(f"@{name}@", value)
    (folder / "control").write_text(text, encoding="utf-8")
    for script in SCRIPTS:
        shutil.copyfile(sources / script, folder / script)
        (folder / script).chmod(0o755)


def settle(root: Path, epoch_s: int) -> None:
    """Give every file its time and its mode, whatever the builder's are."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if executable else 0o644)
        os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)

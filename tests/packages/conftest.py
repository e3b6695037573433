"""What is built once, and a system to install it in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.packages import system
from tests.packages.system import System

BUILD_S = 900
"""Longest time for building all three, seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The files that are handed out."""

    wheel: Path
    sdist: Path
    deb: Path


def build(repository: Path, folder: Path, *options: str, umask: int = 0o022) -> Built:
    """Build all three into a folder."""
    subprocess.run(
        [sys.executable, "-m", "packages", *options, str(folder)],
        check=True,
        timeout=BUILD_S,
        cwd=repository,
        umask=umask,
    )
    return find(folder)


def find(folder: Path) -> Built:
    """Return what lies in a folder, the package of this machine's architecture."""
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    (deb,) = folder.glob("*.deb")
    return Built(wheel=wheel, sdist=sdist, deb=deb)


@pytest.fixture(scope="session")
def built(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build all three, or take those in the folder that IOT_TEST_PACKAGES names."""
    given = os.environ.get("IOT_TEST_PACKAGES")
    if given:
        return find(Path(given))
    return build(repository, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def base() -> Path:
    """Return the untouched Debian 12 system."""
    return system.make_base()


@pytest.fixture(scope="module")
def installed(
    base: Path, built: Built, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """Install the package in a system; the tests of a module share it."""
    debian = system.copy(base, tmp_path_factory.mktemp("system") / "root")
    debian.run("dpkg", "--install", debian.copy_in(built.deb))
    yield debian
    subprocess.run(["rm", "-rf", "--one-file-system", str(debian.root)], check=True, timeout=120)

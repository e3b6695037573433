"""One board, booted once, and one cloud beside it for all tests of this folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.boardvm import disk
from tests.boardvm.machine import MODELS, Machine, accelerator
from tests.e2e.cloud import Cloud

HOST_SEEN_INSIDE = "10.0.2.2"
"""This machine's loopback address as the board sees it. Source: QEMU, user-mode network."""

BUILD_S = 600
"""Longest time for building the package, seconds."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the board be of another processor."""
    parser.addoption("--architecture", choices=tuple(MODELS), default="amd64", help="of the board")


@pytest.fixture(scope="session")
def architecture(request: pytest.FixtureRequest) -> str:
    """Return Debian's name of the board's architecture."""
    return str(request.config.getoption("--architecture"))


@pytest.fixture(autouse=True)
def no_leftovers() -> None:
    """Leave it to the fixtures below: the board and the cloud outlive a test."""


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start a cloud that the board can reach; end it after all tests."""
    made = Cloud(tmp_path_factory.mktemp("cloud"), public_host=HOST_SEEN_INSIDE)
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def package(repository: Path, architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package, or take the one in the folder that IOT_TEST_PACKAGES names."""
    given = os.environ.get("IOT_TEST_PACKAGES")
    folder = Path(given) if given else tmp_path_factory.mktemp("dist")
    if not given:
        command = [sys.executable, "-m", "packages", "--architecture", architecture, str(folder)]
        subprocess.run(command, check=True, timeout=BUILD_S, cwd=repository)
    return next(folder.glob(f"lightning-agent_*_{architecture}.deb"))


@pytest.fixture(scope="session")
def machine(package: Path, architecture: str) -> Iterator[Machine]:
    """Boot a board with the package installed; its console's log is kept when a test fails."""
    folder = Path(tempfile.mkdtemp(prefix="boardvm-"))
    accel = accelerator(architecture)
    made = Machine(disk.make(package, folder, architecture), folder, accel)
    try:
        print(f"\nbooted in {made.start():.0f} s ({accel}), console: {made.console}", flush=True)
        yield made
    finally:
        made.stop()
        (folder / "disk.img").unlink(missing_ok=True)
        kept = os.environ.get("IOT_TEST_BOARDVM_LOG")
        if kept:
            shutil.copy(made.console, kept)

"""Fixtures of the tests that drive a real supervisor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agent.supervised import Supervised

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "digits_camera"


@pytest.fixture(scope="session", autouse=True)
def checkout_on_path() -> Iterator[None]:
    """Let child processes import this checkout."""
    with pytest.MonkeyPatch.context() as patch:
        found = os.environ.get("PYTHONPATH", "")
        root = str(EXAMPLE.parent.parent)
        patch.setenv("PYTHONPATH", f"{root}{os.pathsep}{found}" if found else root)
        patch.setenv("PLANTED_SECRET", "of the supervisor's environment")
        yield


@pytest.fixture(scope="package")
def shared_supervisor(
    checkout_on_path: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Supervised]:
    """Give one supervisor to all tests that leave it as they found it; two cameras."""
    folder = tmp_path_factory.mktemp("shared")
    (folder / "state").mkdir(mode=0o700)
    empty = folder / "empty"
    empty.mkdir()
    (folder / "state" / "agent.toml").write_text(
        f'[camera.default]\nsource = "file"\npath = "{EXAMPLE / "pictures"}"\n'
        f'[camera.empty]\nsource = "file"\npath = "{empty}"\n'
        '[camera.wrong]\nsource = "file"\npath = "pictures"\n'
    )
    folder.chmod(0o755)
    supervised = Supervised(folder)
    yield supervised
    supervised.close()


@pytest.fixture
def supervised(tmp_path: Path) -> Iterator[Supervised]:
    """Give a supervisor of its own to a test that harms it."""
    own = Supervised(tmp_path)
    yield own
    own.close()


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Give a function that waits up to 10 s until a condition holds."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < end, "it did not become true within 10 s"
            time.sleep(0.01)

    return wait

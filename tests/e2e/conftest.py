"""One cloud for the tests of a module, and one board on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.cloud import Cloud
from tests.e2e.real_keystone import Keystone


@pytest.fixture(autouse=True)
def no_leftovers() -> None:
    """Leave it to the cloud's own fixture: what tests restart outlives them."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Start a cloud; end it and all of its processes after the module."""
    made = Cloud(tmp_path_factory.mktemp("e2e"))
    try:
        made.start()
        yield made
    finally:
        left = made.stop()
    assert left == [], f"processes that did not end with the cloud: {left}"


@pytest.fixture(scope="session")
def keystone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keystone]:
    """Start a Keystone for all modules that want one; end it after all tests."""
    made = Keystone(tmp_path_factory.mktemp("keystone"))
    try:
        made.start()
        yield made
    finally:
        made.stop()

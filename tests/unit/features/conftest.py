"""The conductor in memory, for tests of features."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.parts import Core, open_core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    """Give the conductor's parts on a fresh database."""
    with open_core(tmp_path) as made:
        yield made

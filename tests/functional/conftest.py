"""The cloud's REST API in one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.site import Site, open_site


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Give a cloud with an administrator, a member, a reader and a stranger."""
    with open_site(tmp_path) as made:
        made.add("member", "member")
        made.add("reader", "reader")
        made.add_project("elsewhere")
        made.add("stranger", "member", project="elsewhere")
        yield made

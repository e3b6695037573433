"""One cluster for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.cluster import Cluster, running


@pytest.fixture(autouse=True)
def no_leftovers() -> None:
    """Leave it to the cluster's own fixture: what tests restart outlives them."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start two of each process behind nginx; end them after."""
    with running(tmp_path_factory.mktemp("cluster"), 2) as made:
        yield made

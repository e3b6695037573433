"""One router, one small core and one wamp agent for each module that asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from iotronic_mec.context import system_context
from tests.wamp.bench import Core, Front, Identity, Router, start_reactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """What a test talks to."""

    router: Router
    core: Core
    front: Front

    @property
    def url(self) -> str:
        """Where boards join."""
        return self.router.url


@pytest.fixture(scope="module")
def small_cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Give a router, a core, and a wamp agent that lets boards in."""
    start_reactor()
    folder = tmp_path_factory.mktemp("w")
    router = Router(folder / "s")
    core = Core(folder / "rpc.sock")
    front = Front(router, folder / "rpc.sock")
    router.start()
    core.start()
    front.start()
    yield Cloud(router=router, core=core, front=front)
    front.stop()
    core.server.stop()
    router.kill()


@pytest.fixture
def identity(small_cloud: Cloud) -> Identity:
    """Give a board that has enrolled; the directory knows it."""
    known = Identity(small_cloud.core)
    tell_directory(small_cloud, known)
    return known


@pytest.fixture
def other(small_cloud: Cloud) -> Identity:
    """Give a second board that has enrolled."""
    known = Identity(small_cloud.core)
    tell_directory(small_cloud, known)
    return known


def tell_directory(cloud: Cloud, identity: Identity) -> None:
    """Tell the wamp agent of a board, as the conductor does."""
    row = cloud.core.boards[identity.uuid]
    link = cloud.core.server.find(f"wamp.{cloud.front.uuid}")
    assert link is not None
    put = {"board": row["uuid"], **{key: row[key] for key in ("public_key", "project", "name")}}
    topic = f"wamp.{cloud.front.uuid}"
    link.call(topic, "directory", "put", put, system_context(), 5.0)

"""Installing and removing plugins: whole or not at all."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lightning_agent.errors import BundleRefused, DigestMismatch, StorageFailed
from lightning_agent.supervisor.plugins import PluginStore
from tests.agent.supervised import Supervised, is_alive, make_zip

Eventually = Callable[[Callable[[], bool]], None]

ANSWERING = b"def main(context):\n    return 1\n"
WAITING = "def main(context):\n    context.stopping.wait(60)\n"


@pytest.fixture
def store(tmp_path: Path) -> PluginStore:
    """Give a store on an empty state directory."""
    store = PluginStore(tmp_path)
    store.prepare()
    return store


def test_another_digest_is_refused(store: PluginStore, tmp_path: Path) -> None:
    """A bundle that is not the announced one leaves nothing behind; the right one goes in."""
    bundle = tmp_path / "bundle.py"
    bundle.write_bytes(ANSWERING)
    right = hashlib.sha256(ANSWERING).hexdigest()

    with pytest.raises(DigestMismatch):
        store.install("p", "0" * 64, bundle, "py", frozenset())
    before = store.list_installed()
    store.install("p", right, bundle, "py", frozenset())

    assert before == []
    assert store.list_installed() == [{"plugin": "p", "digest": right}]


def test_a_refused_bundle_leaves_nothing(store: PluginStore, tmp_path: Path) -> None:
    """A bundle that breaks a rule half-way is gone from the disk as if it had never come."""
    packed = make_zip({"plugin.py": ANSWERING, "no/../../out": b"x"})
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(packed)

    with pytest.raises(BundleRefused):
        store.install("p", hashlib.sha256(packed).hexdigest(), bundle, "zip", frozenset())

    assert store.list_installed() == []
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_missing_bundle_is_an_error(store: PluginStore, tmp_path: Path) -> None:
    """A path without a file is an error of storage."""
    with pytest.raises(StorageFailed):
        store.install("p", "0" * 64, tmp_path / "absent.py", "py", frozenset())


def test_installing_twice_is_harmless(shared_supervisor: Supervised) -> None:
    """The second installation of the same version changes nothing, even without its file."""
    plugin, digest = shared_supervisor.install(ANSWERING)

    answer = shared_supervisor.client.request(
        "install", plugin=plugin, digest=digest, path="/absent.py", format="py"
    )

    assert answer == {"installed": True}


def test_a_new_version_replaces_the_old(supervised: Supervised) -> None:
    """An upgrade removes the old version, unless it is running."""
    plugin, old = supervised.install(ANSWERING)
    _, new = supervised.install(WAITING.encode(), plugin=plugin)
    after_first = supervised.client.request("installed")["plugins"]
    supervised.client.request("start", plugin=plugin, digest=new, parameters={})

    supervised.install(ANSWERING, plugin=plugin)

    after_second = supervised.client.request("installed")["plugins"]
    assert after_first == [{"plugin": plugin, "digest": new}]
    assert sorted(row["digest"] for row in after_second) == sorted([old, new])


def test_uninstalling_stops_what_runs(supervised: Supervised, eventually: Eventually) -> None:
    """A running plugin that is removed ends, and its files and its log are gone."""
    plugin, started = supervised.start_plugin(WAITING)

    first = supervised.client.request("uninstall", plugin=plugin)
    second = supervised.client.request("uninstall", plugin=plugin)

    assert (first, second) == ({"removed": True}, {"removed": False})
    assert not is_alive(started["pid"])
    assert supervised.client.request("installed") == {"plugins": []}
    assert list((supervised.state_dir / "logs").iterdir()) == []


def test_files_are_read_only_inside(shared_supervisor: Supervised) -> None:
    """A plugin cannot change its own bundle, but can write to its work folder."""
    source = (
        "def main(context):\n"
        "    (context.work / 'x').write_text('mine')\n"
        "    try:\n"
        "        (context.path / 'x').write_text('mine')\n"
        "    except OSError as error:\n"
        "        return [error.strerror, (context.work / 'x').read_text()]\n"
    )

    result = shared_supervisor.run(source)

    assert result == ["Read-only file system", "mine"]


def test_a_kill_during_installation_leaves_no_half(supervised: Supervised) -> None:
    """Killed at random moments of an installation, the supervisor has a version whole or not."""
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    files = {f"data/{number}.bin": chance.randbytes(20_000) for number in range(60)}
    bundle = make_zip({"plugin.py": _counting(len(files)), **files})
    digest = hashlib.sha256(bundle).hexdigest()
    path = supervised.folder / "large.zip"
    path.write_bytes(bundle)

    outcomes = [_kill_while_installing(supervised, path, digest, chance) for _ in range(6)]
    supervised.install(bundle, plugin="large", ending="zip")

    assert set(outcomes) <= {0, 60}
    assert supervised.call("large", digest)["result"] == 60


def _counting(count: int) -> bytes:
    return (
        f"def main(context):\n"
        f"    found = sorted((context.path / 'data').iterdir())\n"
        f"    assert all(len(path.read_bytes()) == 20000 for path in found)\n"
        f"    return len(found)  # {count}\n"
    ).encode()


def _kill_while_installing(
    supervised: Supervised, path: Path, digest: str, chance: random.Random
) -> int:
    """Kill the supervisor in the middle; return how many files its successor sees."""
    supervised.client.send("install", plugin="large", digest=digest, path=str(path), format="zip")
    time.sleep(chance.uniform(0, 0.1))
    supervised.kill()
    supervised.start()
    staging = list((supervised.state_dir / "staging").iterdir())
    installed = supervised.client.request("installed")["plugins"]
    seen = int(supervised.call("large", digest)["result"]) if installed else 0
    supervised.client.request("uninstall", plugin="large")
    assert staging == []
    return seen

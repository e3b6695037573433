"""The router's configuration, held to the rules that were found by trying."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from iotronic_mec.cmd import router, state_dir
from iotronic_mec.cmd.router import RouterSettings

KEY = "ab" * 32


def worker_of(**settings: Any) -> dict[str, Any]:
    """Return the worker's part of a configuration."""
    written = router.configuration(RouterSettings(public_key=KEY, **settings))
    worker: dict[str, Any] = written["workers"][0]
    return worker


def test_outside_roles_ask_an_authorizer() -> None:
    """Static permissions could not refuse ``forward_for``."""
    roles = {role["name"]: role for role in worker_of()["realms"][0]["roles"]}

    assert set(roles) == {"service", "enrol", "board"}
    for name in ("enrol", "board"):
        assert roles[name] == {"name": name, "authorizer": f"iotronic.auth.authorize_{name}"}


def test_authenticators_are_called_as_trusted() -> None:
    """With another role a login hangs; without one the client chooses it."""
    public = worker_of()["transports"][1]

    for method in public["paths"]["ws"]["auth"].values():
        assert method["type"] == "dynamic"
        assert method["authenticator-realm"] == "iotronic"
        assert method["authenticator-role"] == "trusted"


def test_nobody_is_let_in_anonymously() -> None:
    """On any transport."""
    text = json.dumps(worker_of())

    assert "anonymous" not in text


def test_the_private_transport_knows_one_key() -> None:
    """It is a Unix socket the router makes with mode 0666."""
    private = worker_of()["transports"][0]

    assert private["endpoint"] == {"type": "unix", "path": "private.sock"}
    assert private["auth"]["cryptosign"]["principals"]["wamp-agent"]["authorized_keys"] == [KEY]


@pytest.mark.parametrize("secure", [False, True])
def test_tls_follows_the_certificate(secure: bool) -> None:
    """Both files or none."""
    files = {"certificate": Path("c.pem"), "key": Path("k.pem")} if secure else {}

    endpoint = worker_of(**files)["transports"][1]["endpoint"]

    assert ("tls" in endpoint) is secure


def test_writing_removes_what_a_killed_router_left(tmp_path: Path) -> None:
    """It would refuse to start."""
    prepared = state_dir.prepare(tmp_path / "s")
    (prepared.crossbar / "node.pid").write_text("1")
    prepared.router_socket.write_text("")

    path = router.write(prepared, RouterSettings(public_key=KEY))

    assert sorted(item.name for item in prepared.crossbar.iterdir()) == ["config.json"]
    assert path.stat().st_mode & 0o777 == 0o600
    assert json.loads(path.read_text())["version"] == 2


def test_the_public_key_is_the_seeds() -> None:
    """As libsodium derives it."""
    seed = os.urandom(32)

    assert router.public_key(seed) == bytes(SigningKey(seed).verify_key).hex()


def test_the_sample_is_what_the_code_writes(repository: Path) -> None:
    """It is generated: ``python -m iotronic_mec.cmd.router``."""
    sample = json.loads((repository / "etc" / "crossbar" / "config.json").read_text())

    assert sample == router.configuration(RouterSettings(public_key="<64 hex digits>"))

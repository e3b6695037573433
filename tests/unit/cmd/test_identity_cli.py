"""``iotronic-mec user`` and ``token``: through the running conductor, or a word that it is not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec import errors
from iotronic_mec.cmd import identity
from iotronic_mec.context import Context
from iotronic_mec.rpc.expose import expose
from iotronic_mec.rpc.local import LocalServer
from iotronic_mec.rpc.server import Dispatcher


class Identity:
    """The identity commands, noting what they are asked."""

    namespace = "identity"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    @expose
    def create_user_with_role(self, context: Context, **given: Any) -> dict[str, str]:
        """Note it."""
        self.asked.append((context.system, given))
        return {"uuid": "u"}

    @expose
    def delete_user(self, context: Context, *, user: str) -> None:
        """Refuse."""
        raise errors.NotFound(f"no user {user}")


class Tokens:
    """The token commands, noting what they are asked in the same list."""

    namespace = "token"

    def __init__(self, asked: list[Any]) -> None:
        self.asked = asked

    @expose
    def revoke(self, context: Context, **given: Any) -> None:
        """Note it."""
        self.asked.append(given)


@pytest.fixture
def conductor(tmp_path: Path) -> Iterator[Identity]:
    """Give the commands of a running conductor."""
    made = Identity()
    server = LocalServer(tmp_path / "rpc.sock", Dispatcher([made, Tokens(made.asked)]).answer)
    server.start()
    yield made
    server.stop()
    server._pool.shutdown(wait=True)


def test_create(
    conductor: Identity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A user is made with the password from standard input, as the cloud itself."""
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    arguments = ["user", "create", "ada", "--role", "reader", "--state-dir", str(tmp_path)]

    code = identity.run(arguments)

    given = {"name": "ada", "project": "default", "role": "reader", "password": "secret"}
    assert (code, conductor.asked) == (0, [(True, given)])
    assert '"uuid": "u"' in capsys.readouterr().out


def test_refused(conductor: Identity, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the conductor refuses is one line and an exit code."""
    code = identity.run(["user", "delete", "ada", "--state-dir", str(tmp_path)])

    assert code == 1
    assert capsys.readouterr().err == "iotronic-mec: no user ada\n"


def test_nothing_to_print(
    conductor: Identity, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A change without an answer says that it is done."""
    code = identity.run(["token", "revoke", "t", "--state-dir", str(tmp_path)])

    printed = capsys.readouterr()
    assert (code, len(conductor.asked), printed.out, printed.err) == (0, 1, "done\n", "")


def test_not_running(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a conductor the command says how to start it."""
    code = identity.run(["user", "list", "--state-dir", str(tmp_path)])

    assert code == 1
    assert f"iotronic-mec standalone --state-dir {tmp_path}" in capsys.readouterr().err

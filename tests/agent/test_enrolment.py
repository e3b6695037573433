"""First contact: a code becomes an identity, whatever goes wrong in between."""

from __future__ import annotations

import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock as FakeReactor

from lightning_agent.errors import Error, StorageFailed
from lightning_agent.session import enrolment as enrolment_module
from lightning_agent.session.backoff import TRANSPORT_LOST, SessionEnd
from lightning_agent.session.cloud import CloudAway
from lightning_agent.session.enrolment import CodeRefused, Enrolment, EnrolmentRefused
from lightning_agent.session.transport import Target
from lightning_agent.state.identity import BoardKey, find_identity
from tests.agent.stand_ins import begin, result_of

BOARD = "11111111-2222-3333-4444-555555555555"
TARGET = Target(url="ws://cloud.example:8443/ws", realm="iotronic")
CODE = "a-good-code"


class FakeCloud:
    """A router and a cloud in one; each connection ends as the next entry says."""

    def __init__(self, *ends: SessionEnd) -> None:
        self.ends = list(ends)
        self.refusal: Exception | None = None
        self.logins: list[Any] = []
        self.sent: list[dict[str, Any]] = []
        self.session: Any = None

    def __call__(self, reactor: Any, target: Target, login: Any) -> FakeCloud:
        """Connect."""
        self.logins.append(login)
        return self

    async def run(self, on_join: Callable[[Any], Awaitable[None]]) -> SessionEnd:
        """Let in unless an end is waiting."""
        if self.ends:
            return self.ends.pop(0)
        await on_join(self)
        return SessionEnd(reason="iotronic.close.enrolled", joined=True)

    def drop(self) -> None:
        """Nothing to drop."""

    def call(self, procedure: str, wire: dict[str, Any]) -> Deferred[Any]:
        """Take the enrolment."""
        assert procedure == "iotronic.cloud.enrol"
        self.sent.append(wire)
        if self.refusal is not None:
            return fail(self.refusal)
        return succeed({"board": BOARD, "name": "b", "project": "p"})

    def is_attached(self) -> bool:
        """There is a session."""
        return True

    def leave(self, reason: str) -> None:
        """The agent says goodbye."""


def enrol(folder: Path, cloud: FakeCloud, code: str = CODE) -> Any:
    """Enrol at once."""
    return result_of(Enrolment(FakeReactor(), folder, TARGET, connect=cloud).enrol(code))


def test_code_becomes_an_identity(tmp_path: Path) -> None:
    """The board knows who it is; the cloud got its public key only."""
    cloud = FakeCloud()

    identity = enrol(tmp_path, cloud)

    key = BoardKey.load(tmp_path)
    assert find_identity(tmp_path) == identity
    assert identity.board == BOARD
    assert cloud.sent[0]["public_key"] == key.public_key
    assert cloud.logins[0].authid == "code"
    assert cloud.logins[0].authextra == {"pubkey": key.public_key}


def test_owners_file_gets_the_address_and_keeps_the_rest(tmp_path: Path) -> None:
    """The address is written to agent.toml, the code removed, other tables kept."""
    (tmp_path / "agent.toml").write_text(
        '# mine\n[cloud]\nurl = "ws://old.example/ws"\ncode = "12345678"\n\n'
        '[camera.default]\nsource = "file"\n'
    )

    enrol(tmp_path, FakeCloud())

    text = (tmp_path / "agent.toml").read_text()
    assert tomllib.loads(text) == {
        "cloud": {"url": TARGET.url, "realm": "iotronic"},
        "camera": {"default": {"source": "file"}},
    }
    assert text.startswith("# mine")


def test_crash_between_acceptance_and_storing_is_repairable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is on disk before the call, so the same key comes with the next try."""
    cloud = FakeCloud()

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(enrolment_module, "store_identity", die)
        enrol(tmp_path, cloud)
    enrol(tmp_path, cloud)

    assert cloud.sent[0] == cloud.sent[1]
    assert find_identity(tmp_path) is not None


@pytest.mark.parametrize("code", ["", "short", "x" * 37, "with space", "söme-code"])
def test_impossible_code_is_refused_here(tmp_path: Path, code: str) -> None:
    """What cannot be a code is not sent."""
    cloud = FakeCloud()

    with pytest.raises(CodeRefused):
        enrol(tmp_path, cloud, code)

    assert cloud.logins == []


def test_wrong_code_is_not_tried_again(tmp_path: Path) -> None:
    """A code the cloud refuses ends the enrolment; the code is not repeated in words."""
    cloud = FakeCloud(SessionEnd(reason="iotronic.error.code_unknown_or_used"))

    with pytest.raises(CodeRefused) as refusal:
        enrol(tmp_path, cloud)

    assert CODE not in str(refusal.value)
    assert len(cloud.logins) == 1
    assert find_identity(tmp_path) is None


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("iotronic.error.code_unknown_or_used", CodeRefused),
        ("iotronic.error.key_mismatch", EnrolmentRefused),
        ("wamp.error.not_authorized", EnrolmentRefused),
    ],
)
def test_refusal_of_the_call_has_its_reason(tmp_path: Path, uri: str, error: type[Error]) -> None:
    """What the cloud says to the enrolment itself ends it."""
    cloud = FakeCloud()
    cloud.refusal = ApplicationError(uri, "because")

    with pytest.raises(error):
        enrol(tmp_path, cloud)


def test_cloud_that_starts_late_is_waited_for(tmp_path: Path) -> None:
    """A cloud that is not there yet is tried again, with growing waits."""
    cloud = FakeCloud(*[SessionEnd(reason=TRANSPORT_LOST)] * 3)
    reactor = FakeReactor()
    enrolling = begin(Enrolment(reactor, tmp_path, TARGET, connect=cloud).enrol(CODE))

    reactor.pump([2.0] * 6)

    assert enrolling.result.board == BOARD
    assert len(cloud.logins) == 4


def test_cloud_that_stays_away_is_given_up(tmp_path: Path) -> None:
    """After the patience the address is named."""
    cloud = FakeCloud(*[SessionEnd(reason=TRANSPORT_LOST, message="refused")] * 100)
    reactor = FakeReactor()
    enrolling = begin(Enrolment(reactor, tmp_path, TARGET, connect=cloud).enrol(CODE, 30))

    reactor.pump([1.0] * 60)

    error = enrolling.broke  # type: ignore[attr-defined]
    assert isinstance(error, CloudAway)
    assert TARGET.url in str(error)


def test_full_disk_says_to_repeat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An identity that cannot be stored says that the same command cures it."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(enrolment_module, "store_identity", full)

    with pytest.raises(StorageFailed, match="repeat the same command"):
        enrol(tmp_path, FakeCloud())

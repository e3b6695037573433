"""A7: who is not the board, or no longer, is kept out, and the audit says why."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from demo.processes import script
from iotronic_mec.sdk import NewBoard
from tests.e2e.cloud import Cloud, wait_for
from tests.e2e.intruder import Intruder

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def owner(cloud: Cloud) -> str:
    """Give a board that is online, named ``owner``."""
    return cloud.make_board("owner")


@pytest.fixture(scope="module")
def doomed(cloud: Cloud) -> str:
    """Give a board that is online, named ``doomed``, to be deleted."""
    return cloud.make_board("doomed")


def enrol(cloud: Cloud, folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run ``lightning-agent enrol`` with a code on its standard input."""
    return subprocess.run(
        [script("lightning-agent"), "enrol", "--state-dir", str(folder), "-", cloud.wamp_url],
        input=f"{code}\n",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def key_of(cloud: Cloud, board: str) -> SigningKey:
    """Return a board's key, as a thief of its disk would have it."""
    written = (cloud.board_folder(board) / "agent.key").read_text(encoding="ascii")
    return SigningKey(bytes.fromhex(written.strip()))


def audited(cloud: Cloud, reason: str) -> list[Any]:
    """Return the audit rows of refusals with a reason."""
    rows = cloud.client.audit.iterate()
    return [row for row in rows if row.outcome == "refused" and row.reason == reason]


def test_a_stolen_used_code_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    """A code opens the door once; a second agent with it is told so."""
    made = cloud.client.boards.create(NewBoard(name="stolen"))
    assert made.code is not None

    first = enrol(cloud, tmp_path / "owner", made.code)
    second = enrol(cloud, tmp_path / "thief", made.code)

    assert first.returncode == 0, first.stderr
    assert second.returncode != 0
    assert "used" in second.stderr
    assert wait_for("the audit names the reason", lambda: audited(cloud, "code_used"))


def test_an_unknown_code_gets_the_same_answer(cloud: Cloud, tmp_path: Path) -> None:
    """Who guesses learns nothing; the audit tells the cases apart."""
    refused = enrol(cloud, tmp_path / "guess", "GUESSED-CODE-1")

    assert refused.returncode != 0
    assert "used" in refused.stderr
    assert wait_for("the audit names the reason", lambda: audited(cloud, "code_unknown"))


def test_a_wrong_key_is_refused(cloud: Cloud, owner: str) -> None:
    """Another key than the one enrolled does not get a session."""
    intruder = Intruder(cloud.wamp_url)

    refusal = intruder.join_as_board(owner, SigningKey(secrets.token_bytes(32)))

    assert refusal is not None
    assert wait_for("the audit names the reason", lambda: audited(cloud, "wrong_key"))
    cloud.wait_online(owner)


def test_a_stolen_uuid_with_the_right_public_key_is_refused(cloud: Cloud, owner: str) -> None:
    """Showing the public key is not enough: the challenge must be signed."""
    public_key = bytes(key_of(cloud, "owner").verify_key).hex()
    intruder = Intruder(cloud.wamp_url)

    refusal = intruder.join_as_board(
        owner, SigningKey(secrets.token_bytes(32)), shown_public_key=public_key
    )

    assert refusal is not None
    assert wait_for("the audit names the reason", lambda: audited(cloud, "challenge_failed"))
    cloud.wait_online(owner)


def test_a_deleted_board_is_refused(cloud: Cloud, doomed: str) -> None:
    """Deletion closes the session at once and the key is worth nothing."""
    key = key_of(cloud, "doomed")

    cloud.client.boards.delete(doomed)
    refusal = Intruder(cloud.wamp_url).join_as_board(doomed, key)

    assert refusal == "iotronic.error.board_unknown"
    assert wait_for("the audit names the reason", lambda: audited(cloud, "board_unknown"))


def test_the_right_key_is_let_in(cloud: Cloud, owner: str) -> None:
    """Control: the same client with the board's own key joins, and is superseded."""
    intruder = Intruder(cloud.wamp_url)

    assert intruder.join_as_board(owner, key_of(cloud, "owner")) is None

"""Who may join the realm: enrolment codes by ticket, boards by cryptosign.

The router calls these for each login at the public transport. A board's key is
answered from memory; a code is looked up in the conductor by its keyed hash.
Every refusal is counted. Never log ``details``: it holds the code.

Source: WAMP spec, advanced profile, Ticket-based and Cryptosign authentication.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.defer import Deferred

from iotronic_mec import errors
from iotronic_mec.wamp import refusals
from iotronic_mec.wamp.directory import Directory, Entry
from iotronic_mec.wamp.refusals import Refusals
from lightning_agent.protocol import names
from lightning_agent.protocol.errors import (
    BoardUnknown,
    CodeUnknownOrUsed,
    KeyMismatch,
    NotReady,
)

CHALLENGE_LIMIT_S = 10.0
"""Seconds from a challenge to the join; later it counts as a failed challenge.
The router does not tell us that a signature was wrong."""

MAX_CHALLENGES = 10_000
"""Most challenges remembered at once; beyond, failures are not counted."""

_REFUSED_CODE = "the enrolment code is wrong, unknown, or was used before"


def code_digest(secret: bytes, code: str) -> str:
    """Return the keyed hash an enrolment code is stored under, hexadecimal."""
    return hmac.digest(secret, b"code\0" + code.encode(), "sha256").hex()


class Authenticators:
    """Answers the router's questions about logins.

    :param find_code: asks the conductor for a code by its digest
    :param secret: key of the codes' hashes
    """

    def __init__(
        self,
        reactor: ReactorBase,
        directory: Directory,
        find_code: Callable[[str], Deferred[Any]],
        secret: bytes,
        counted: Refusals,
    ) -> None:
        self._reactor = reactor
        self._directory = directory
        self._find_code = find_code
        self._secret = secret
        self._refusals = counted
        self._challenges: dict[int, tuple[DelayedCall, str]] = {}

    async def ticket(
        self, realm: str, authid: str | None, details: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Let a session in that shows an enrolment code.

        :returns: role ``enrol`` and an authid that names the code's row
        :raises CodeUnknownOrUsed: wrong, unknown, used; the same text for all
        :raises NotReady: the core is away
        """
        peer = peer_of(details)
        code = details.get("ticket")
        if realm != names.REALM or authid != names.CODE_AUTHID or not isinstance(code, str):
            self._refuse_code(authid, peer)
        if names.CODE.fullmatch(code) is None:
            self._refuse_code(authid, peer)
        try:
            row = await self._find_code(code_digest(self._secret, code))
        except (errors.Unavailable, errors.Busy, errors.DeadlineExceeded) as error:
            raise NotReady("the cloud is starting; try again") from error
        except errors.Error:
            self._refuse_code(authid, peer)
        if row.get("used") and not _may_repeat(row, offered_key(details)):
            self._refuse_code(f"code:{row.get('row')}", peer, refusals.USED_CODE)
        return {
            "realm": names.REALM,
            "role": names.ROLE_ENROL,
            "authid": f"{names.CODE_AUTHID}:{row['row']}",
        }

    async def board(
        self, realm: str, authid: str | None, details: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Name the key a board must sign the challenge with.

        :raises BoardUnknown: no such board, deleted, or not enrolled
        :raises KeyMismatch: it offers another key than the one enrolled
        :raises NotReady: the directory is not loaded
        """
        peer = peer_of(details)
        if not self._directory.loaded:
            raise NotReady("the cloud is starting; try again")
        if realm != names.REALM:
            self._refusals.count(authid, refusals.WRONG_REALM, peer)
            raise BoardUnknown("board unknown or deleted")
        entry = self._directory.find(authid) if isinstance(authid, str) else None
        if entry is None or entry.public_key is None:
            self._refusals.count(authid, refusals.UNKNOWN_BOARD, peer)
            raise BoardUnknown("board unknown or deleted")
        offered = offered_key(details)
        if offered is not None and not _same_key(entry.public_key, offered):
            self._refusals.count(authid, refusals.WRONG_KEY, peer)
            raise KeyMismatch("another key is enrolled for this board")
        self._watch(details.get("session"), entry, peer)
        return {
            "pubkey": entry.public_key,
            "realm": names.REALM,
            "role": names.ROLE_BOARD,
            "authid": entry.board,
        }

    def joined(self, session: int) -> str | None:
        """Take note that a challenged session has joined; return the key it signed with.

        :returns: ``None`` when it was not challenged here, or too many were
        """
        timer, key = self._challenges.pop(session, (None, None))
        if timer is not None:
            timer.cancel()
        return key

    def stop(self) -> None:
        """Forget the challenges under way."""
        for timer, _ in self._challenges.values():
            timer.cancel()
        self._challenges.clear()

    def _refuse_code(
        self, authid: object, peer: str, reason: str = refusals.UNKNOWN_CODE
    ) -> NoReturn:
        # the audit tells the cases apart; who guesses is told the same for all
        self._refusals.count(authid, reason, peer)
        raise CodeUnknownOrUsed(_REFUSED_CODE)

    def _watch(self, session: object, entry: Entry, peer: str) -> None:
        if not isinstance(session, int) or len(self._challenges) >= MAX_CHALLENGES:
            return
        self.joined(session)
        timer = self._reactor.callLater(
            CHALLENGE_LIMIT_S, self._not_joined, session, entry.board, peer
        )
        self._challenges[session] = (timer, entry.public_key or "")

    def _not_joined(self, session: int, board: str, peer: str) -> None:
        del self._challenges[session]
        self._refusals.count(board, refusals.CHALLENGE_FAILED, peer)


def peer_of(details: Mapping[str, Any]) -> str:
    """Return the address a session comes from, as the router tells it."""
    transport = details.get("transport")
    return str(transport.get("peer") or "") if isinstance(transport, Mapping) else ""


def offered_key(details: Mapping[str, Any]) -> str | None:
    """Return the public key a session says it holds, which proves nothing yet."""
    extra = details.get("authextra")
    key = extra.get("pubkey") if isinstance(extra, Mapping) else None
    return key if isinstance(key, str) else None


def _may_repeat(row: Mapping[str, Any], offered: str | None) -> bool:
    """Say whether a used code lets the same board in again: its answer may be lost."""
    return row.get("repeatable", True) and _same_key(row.get("public_key"), offered)


def _same_key(stored: object, offered: str | None) -> bool:
    return isinstance(stored, str) and offered is not None and stored == offered.lower()

"""Which boards are online, from the router's meta events; no I/O.

A board is online when its prefix registration exists, not when its session has
joined. The newest session of a board wins; an older one is killed. After our own
absence :mod:`iotronic_mec.wamp.adoption` reads the router's lists and hands them
in; events that came meanwhile outrank what was read.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from iotronic_mec.clock import Clock
from iotronic_mec.wamp.authenticate import peer_of
from lightning_agent.protocol import names


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One session of an outside role."""

    session: int
    authid: str
    role: str
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A board came online or went offline; ``at`` is ISO 8601 in UTC."""

    board: str
    online: bool
    session: int
    at: str

    def to_wire(self) -> dict[str, Any]:
        """Return the form the conductor takes."""
        return {
            "board": self.board,
            "online": self.online,
            "session": self.session,
            "at": self.at,
        }


class Presence:
    """The map of sessions and of boards online.

    :param changed: told each change
    :param supersede: told the session that a newer one of its board replaces
    """

    def __init__(
        self, clock: Clock, changed: Callable[[Change], None], supersede: Callable[[int], None]
    ) -> None:
        self._clock = clock
        self._changed = changed
        self._supersede = supersede
        self._sessions: dict[int, Session] = {}
        self._newest: dict[str, int] = {}
        self._online: dict[str, int] = {}
        self._touched: set[str] | None = None
        self._left: set[int] = set()

    @property
    def online(self) -> Mapping[str, int]:
        """Board uuid to the session that serves it."""
        return self._online

    @property
    def sessions(self) -> int:
        """How many sessions of boards, serving or enrolling, there are."""
        return len(self._sessions)

    def page_online(self, after: str, limit: int) -> dict[str, int]:
        """Return up to ``limit`` boards online behind a uuid, in the order of uuids."""
        further = (board for board in self._online if board > after)
        return {board: self._online[board] for board in heapq.nsmallest(limit, further)}

    def find_session(self, session: int) -> Session | None:
        """Return what is known of a session."""
        return self._sessions.get(session)

    def joined(self, details: Mapping[str, Any]) -> None:
        """Take the event ``wamp.session.on_join``, or what ``session.get`` answers."""
        session = details.get("session")
        role = str(details.get("authrole") or "")
        if not isinstance(session, int) or role not in (names.ROLE_BOARD, names.ROLE_ENROL):
            return
        if session in self._sessions:
            return
        authid = str(details.get("authid") or "")
        self._sessions[session] = Session(
            session=session, authid=authid, role=role, peer=peer_of(details)
        )
        if role == names.ROLE_BOARD:
            older = self._newest.get(authid)
            self._newest[authid] = session
            if older is not None:
                self._supersede(older)

    def left(self, session: int) -> None:
        """Take the event ``wamp.session.on_leave``."""
        self._left.add(session)
        gone = self._sessions.pop(session, None)
        board = gone.authid if gone else self._board_of(session)
        if board is None:
            return
        if self._newest.get(board) == session:
            del self._newest[board]
        if self._online.get(board) == session:
            self._set_offline(board)
        self._touch(board)

    def registered(self, session: int, uri: str) -> None:
        """Take the event ``wamp.registration.on_create``."""
        board = names.board_of_registration(uri)
        if board is None:
            return
        self._touch(board)
        self._set_online(board, session)

    def begin_adoption(self) -> None:
        """Start to read the router's lists."""
        self._touched = set()
        self._left = set()

    def finish_adoption(
        self, serving: Mapping[str, int], sessions: Iterable[Mapping[str, Any]]
    ) -> None:
        """Take over what was read: who serves which board, and all sessions.

        :param serving: board uuid to the session its registration belongs to
        :param sessions: answers of ``wamp.session.get``
        """
        touched, self._touched = self._touched or set(), None
        read = {}
        for details in sessions:
            session = details.get("session")
            if isinstance(session, int) and session not in self._left:
                read[session] = details
        self._forget_sessions(read.keys(), touched)
        serving = {board: at for board, at in serving.items() if at not in self._left}
        # those that serve come last, so that they are the newest of their board
        for session in sorted(read, key=lambda at: at in serving.values()):
            self.joined(read[session])
        for board in [board for board in self._online if board not in serving]:
            if board not in touched:
                self._set_offline(board)
        for board, session in serving.items():
            if board not in touched:
                self._set_online(board, session)
        self._left = set()

    def _forget_sessions(self, alive: Iterable[int], touched: set[str]) -> None:
        known = set(alive)
        for session in [at for at in self._sessions if at not in known]:
            authid = self._sessions[session].authid
            if authid in touched:
                continue
            del self._sessions[session]
            if self._newest.get(authid) == session:
                del self._newest[authid]

    def _set_online(self, board: str, session: int) -> None:
        if self._online.get(board) != session:
            self._online[board] = session
            self._changed(self._change(board, True, session))

    def _set_offline(self, board: str) -> None:
        session = self._online.pop(board)
        self._changed(self._change(board, False, session))

    def _change(self, board: str, online: bool, session: int) -> Change:
        at = self._clock.now().isoformat()
        return Change(board=board, online=online, session=session, at=at)

    def _board_of(self, session: int) -> str | None:
        return next((board for board, at in self._online.items() if at == session), None)

    def _touch(self, board: str) -> None:
        if self._touched is not None:
            self._touched.add(board)

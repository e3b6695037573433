"""What sessions of the outside roles may do; asked by the router for each action.

Pure functions without I/O: the router calls them on every call, registration,
publication and subscription of the roles ``enrol`` and ``board``.

Two rules hold for every outside role. Options with ``forward_for`` are refused,
because the router would disclose the identity written there as the caller's.
And the router must not cache an answer: its cache is keyed by role and URI, not
by session or options, and would serve one session's right to another.

Source: WAMP spec, advanced profile, Call Routing (``forward_for``) and Crossbar's
dynamic authorization.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_agent.protocol import names

_LITERAL = frozenset({None, "exact", "prefix"})
"""Ways of matching an outside role may use; never ``wildcard``."""


def authorize_enrol(
    who: Mapping[str, Any], uri: str, action: str, options: Mapping[str, Any] | None
) -> dict[str, bool]:
    """Decide one action of a session that holds an enrolment code.

    :param who: ``session``, ``authid``, ``authrole``, … as the router knows them
    :param action: ``call``, ``register``, ``publish`` or ``subscribe``
    :returns: the router's answer: ``allow``, ``disclose``, ``cache``
    """
    return _answer(action == "call" and uri == names.ENROL and not _forwarded(options))


def authorize_board(
    who: Mapping[str, Any], uri: str, action: str, options: Mapping[str, Any] | None
) -> dict[str, bool]:
    """Decide one action of a board's session.

    A board may call the reports, and register, subscribe and publish below its
    own prefix, the closing dot included.

    :returns: the router's answer: ``allow``, ``disclose``, ``cache``
    """
    if _forwarded(options):
        return _answer(False)
    if action == "call":
        return _answer(uri in names.REPORTS)
    mine = _is_below_own_prefix(uri, who.get("authid"))
    if action == "publish":
        return _answer(mine)
    if action in ("register", "subscribe"):
        return _answer(mine and (options or {}).get("match") in _LITERAL)
    return _answer(False)


def _is_below_own_prefix(uri: str, authid: object) -> bool:
    return (
        isinstance(authid, str)
        and names.UUID.fullmatch(authid) is not None
        and uri.startswith(names.board_prefix(authid))
    )


def _forwarded(options: Mapping[str, Any] | None) -> bool:
    return options is not None and options.get("forward_for") is not None


def _answer(allow: bool) -> dict[str, bool]:
    return {"allow": allow, "disclose": True, "cache": False}

"""The one state machine of everything that is ordered.

A *request* is one order, a *result* one board's operation. Both, and later
executions and rollout steps, move through these states; terminal states never
change. Changes are compare-and-set on state and version in the store.
"""

from __future__ import annotations

from typing import Any

from iotronic_mec.states import Machine

QUEUED = "queued"
DISPATCHED = "dispatched"
RUNNING = "running"
SUCCEEDED = "succeeded"
FAILED = "failed"
TIMED_OUT = "timed_out"
CANCELLED = "cancelled"
REJECTED = "rejected"
LOST = "lost"

TERMINAL = frozenset({SUCCEEDED, FAILED, TIMED_OUT, CANCELLED, REJECTED, LOST})
OPEN = frozenset({QUEUED, DISPATCHED, RUNNING})

MACHINE = Machine(
    name="operation",
    initial=QUEUED,
    meaning={
        QUEUED: "accepted and stored, not yet sent to the board",
        DISPATCHED: "sent to the board, no answer yet",
        RUNNING: "the board has said that it works on it",
        SUCCEEDED: "carried out",
        FAILED: "carried out, and it went wrong; the cause says how",
        TIMED_OUT: "not finished within its time",
        CANCELLED: "withdrawn before it was carried out",
        REJECTED: "not carried out, since a rule or limit forbids it",
        LOST: "the board or its link went away and never reported an end",
    },
    moves={
        QUEUED: frozenset({DISPATCHED, RUNNING, *TERMINAL}),
        DISPATCHED: frozenset({RUNNING, *TERMINAL}),
        RUNNING: TERMINAL,
        **{state: frozenset() for state in TERMINAL},
    },
)
"""Drawn in the manual from here."""


def cause(code: str, message: str, **details: Any) -> dict[str, Any]:
    """Build the cause that goes with a terminal state that is no success."""
    return {"code": code, "message": message, **details}


def upstream_status(state: str) -> str:
    """Return IoTronic's word for a request's state."""
    return "COMPLETED" if state in TERMINAL else "PENDING"


def upstream_result(state: str) -> str:
    """Return IoTronic's word for a result's state."""
    if state in OPEN:
        return "RUNNING"
    return "SUCCESS" if state == SUCCEEDED else "ERROR"

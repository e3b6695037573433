"""What a lease is: something on a board that may go on while grants let it."""

from __future__ import annotations

from dataclasses import dataclass

from iotronic_mec.errors import Conflict

PLUGIN = "plugin"
"""Kind of a plugin on a board; others come with what brings them."""


class GrantEnded(Conflict):
    """The grant under which it was to run has ended."""

    code = "iot.lease.grant_ended"


class AgentTooOld(Conflict):
    """The board's agent does not end things by itself: upgrade it."""

    code = "iot.lease.agent_too_old"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """One grant under which something goes on; a thing has one for each it needs.

    ``lent_kind``, ``lent`` and ``action``: the operation the grant let pass.
    ``onboot``: whether its autostart came with it.
    """

    board: str
    kind: str
    subject: str
    grant: str
    lent_kind: str
    lent: str
    action: str
    onboot: bool = False

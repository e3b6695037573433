"""A tiny state machine: states and transitions as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from iotronic_mec.errors import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A named machine.

    :param meaning: each state with one sentence
    :param moves: state to the states that may follow it; a state without
        followers is terminal
    """

    name: str
    initial: str
    meaning: Mapping[str, str]
    moves: Mapping[str, frozenset[str]]

    def is_terminal(self, state: str) -> bool:
        """Say whether nothing may follow this state."""
        return not self.moves.get(state)

    def check(self, present: str, wanted: str) -> None:
        """Let an allowed move pass.

        :raises Conflict: when ``wanted`` may not follow ``present``
        """
        if wanted not in self.moves.get(present, frozenset()):
            raise Conflict(
                f"{self.name}: {wanted} may not follow {present}",
                details={"state": present, "wanted": wanted},
            )

"""What an attack is, and how its source becomes a plugin."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PRELUDE = Path(__file__).with_name("prelude.py")
"""Goes before each attack's own source."""

LEAKED = "leaked"
"""The outcome of an attack, or of a part of it, that got what it must not get."""

Source = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One attack.

    :param number: as in the sandbox specification; above 80 our own
    :param leak: what it would mean if it succeeded
    :param source: the attack itself: takes what it is told of the host, returns part → outcome
    :param stopped: outcome → the layer that made it; every outcome must be among them
    :param ground: where the control runs: see :mod:`tests.abuse.outside`
    :param outside: what the control is told instead, by name
    :param calls: how often it is called; the last call counts
    :param checks: what is looked at on the board afterwards; see :mod:`tests.abuse.aftermath`
    :param succeeds: by what the control shows that it works; see :mod:`tests.abuse.outside`
    :param kind: ``"code"``, or ``"bundles"`` and ``"models"``, which have a test of their own
    :param known: why it still succeeds; the row says LEAKED, and the test is expected to fail
    :param pending: the issue that brings what it attacks; it is not run and never counts
    """

    number: int
    title: str
    leak: str
    source: Source | None = None
    stopped: Mapping[str, str] = field(default_factory=dict)
    ground: str = "plain"
    outside: Mapping[str, Any] = field(default_factory=dict)
    calls: int = 1
    checks: tuple[str, ...] = ()
    succeeds: str = LEAKED
    kind: str = "code"
    known: str = ""
    pending: str = ""

    @property
    def name(self) -> str:
        """Number and title, as pytest shows it."""
        return f"{self.number:03d} {self.title}"

    @property
    def code(self) -> str:
        """The source of the plugin."""
        assert self.source is not None
        own = inspect.getsource(self.source)
        name = self.source.__name__
        prelude = PRELUDE.read_text(encoding="utf-8")
        return (
            f"{prelude}\n\n{own}\n\n"
            f"def main(context, **told):\n    told['context'] = context\n"
            f"    return report({name}(told))\n"
        )

"""The table of what was seen: attack, verdict, layer, milliseconds, for each column."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.abuse.attack import LEAKED, Attack
from tests.abuse.board import Outcome

TABLE_FILE = "IOT_ABUSE_TABLE"
"""Name of the variable with a file to write the table to, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attack in one column."""

    attack: Attack
    setup: str
    verdict: str
    part: str = ""
    layers: tuple[str, ...] = ()
    ms: float = 0.0
    slowest_ms: float = 0.0

    @classmethod
    def judge(cls, attack: Attack, setup: str, seen: Outcome, part: str = "") -> Row:
        """Return the row of an attack that was run, or of one part of it."""
        words = seen.parts.values()
        strange = [word for word in words if word not in attack.stopped]
        leaked = LEAKED in words or seen.wrong
        return cls(
            attack=attack,
            setup=setup,
            part=part,
            verdict="LEAKED" if leaked else "UNCLEAR" if strange else "contained",
            layers=tuple(
                dict.fromkeys(attack.stopped.get(word, str(word)[:40]) for word in words)
            ),
            ms=seen.lasted_s * 1000,
            slowest_ms=max(seen.answers.values()) * 1000,
        )


class Table:
    """Collects rows and prints them."""

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def add(self, row: Row) -> Row:
        """Keep a row and return it."""
        self._rows.append(row)
        return row

    def finish(self) -> None:
        """Print the table, and write it where the variable says."""
        text = self.text()
        print(f"\n{text}")
        path = os.environ.get(TABLE_FILE)
        if path:
            Path(path).write_text(text, encoding="utf-8")

    def text(self) -> str:
        """Return the table and its count."""
        head = [
            "| no. | attack | column | verdict | layer | ms | slowest answer after, ms |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
        ordered = sorted(self._rows, key=lambda row: (row.attack.number, row.part, row.setup))
        return "\n".join([*head, *map(_line, ordered), "", self.count(), ""])

    def count(self) -> str:
        """Return how many there are of each verdict."""
        verdicts = [row.verdict for row in self._rows]
        kinds = sorted(set(verdicts))
        return ", ".join(f"{verdicts.count(kind)} {kind}" for kind in kinds)


def _line(row: Row) -> str:
    layers = ", ".join(row.layers)
    times = f"{row.ms:.0f} | {row.slowest_ms:.0f}" if row.layers else "|"
    number = row.attack.number
    title = f"{row.attack.title}: {row.part}" if row.part else row.attack.title
    return f"| {number} | {title} | {row.setup} | {row.verdict} | {layers} | {times} |"

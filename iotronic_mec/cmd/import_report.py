"""What an import did with each row, and how it is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

IMPORTED = "imported"
"""The row is new here."""
PRESENT = "present"
"""It was imported before, or made here; nothing is changed."""
CHANGED = "imported with a change"
"""The row is new here, but something of it is not as it was; the text says what."""
REFUSED = "refused"
"""The row cannot be imported; the text says why and what to do."""
NOT_IMPORTED = "not imported"
"""The table as a whole is not imported; the text says what to do instead."""

MAX_SHOWN = 50
"""Most rows told one by one in the text; the JSON has all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One row of IoTronic's database and what became of it."""

    table: str
    row: str
    outcome: str
    text: str = ""


@dataclass(slots=True)
class Report:
    """What became of all rows."""

    dry_run: bool
    lines: list[Line] = field(default_factory=list)

    def add(self, table: str, row: Any, outcome: str, text: str = "") -> None:
        """Note one row."""
        self.lines.append(Line(table=table, row=str(row), outcome=outcome, text=text))

    def counts(self) -> dict[str, dict[str, int]]:
        """Return table → outcome → number of rows."""
        found: dict[str, Counter[str]] = {}
        for line in self.lines:
            found.setdefault(line.table, Counter())[line.outcome] += 1
        return {table: dict(counter) for table, counter in found.items()}

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "dry_run": self.dry_run,
            "counts": self.counts(),
            "rows": [
                {"table": line.table, "row": line.row, "outcome": line.outcome, "text": line.text}
                for line in self.lines
            ],
        }

    def to_text(self) -> str:
        """Return the text form: the sums, then every row that needs a look."""
        told = [
            f"{table}: " + ", ".join(f"{number} {outcome}" for outcome, number in sums.items())
            for table, sums in self.counts().items()
        ]
        notable = [line for line in self.lines if line.text]
        told += [
            f"  {line.table} {line.row}: {line.outcome}: {line.text}"
            for line in notable[:MAX_SHOWN]
        ]
        if len(notable) > MAX_SHOWN:
            told.append(f"  and {len(notable) - MAX_SHOWN} more: see --report")
        if self.dry_run:
            told.append("nothing was written: this was a dry run; add --apply to import")
        return "\n".join(told)

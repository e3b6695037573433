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
"""The row is left out by a rule of this cloud's; the text says which."""

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
    notes: dict[str, str] = field(default_factory=dict)
    """Table to what is to be done about its imported rows."""

    def clear(self) -> None:
        """Begin anew."""
        self.lines.clear()
        self.notes.clear()

    def mark(self) -> int:
        """Return where the report is."""
        return len(self.lines)

    def back_to(self, mark: int) -> None:
        """Forget what was told since, as it was taken back."""
        del self.lines[mark:]

    def note(self, table: str, text: str) -> None:
        """Say what is to be done about the imported rows of a table."""
        self.notes[table] = text

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
            "notes": dict(self.notes),
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
        told += [f"  {table}: {text}" for table, text in self.notes.items()]
        left = Counter(
            (line.table, line.text) for line in self.lines if line.outcome == NOT_IMPORTED
        )
        told += [
            f"  {table}: {number} {NOT_IMPORTED}: {text}" for (table, text), number in left.items()
        ]
        notable = [line for line in self.lines if line.text and line.outcome != NOT_IMPORTED]
        told += [
            f"  {line.table} {line.row}: {line.outcome}: {line.text}"
            for line in notable[:MAX_SHOWN]
        ]
        if len(notable) > MAX_SHOWN:
            told.append(f"  and {len(notable) - MAX_SHOWN} more: see --report")
        if self.dry_run:
            told.append("nothing was written: this was a dry run; add --apply to import")
        return "\n".join(told)

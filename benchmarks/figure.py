"""One figure, printed as one JSON line, its samples kept."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

OUT = Path(__file__).resolve().parent / "out"
"""Where raw samples go; not under version control."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A measured value beside its floor.

    ``ratio`` is value over floor; ``goal`` the largest ratio that is good, or
    the largest value where there is no floor; ``None`` prints without judging.
    ``at_least``: more is better, and the goal is the smallest.
    """

    name: str
    value: float
    floor: float | None = None
    goal: float | None = None
    unit: str = "ms"
    at_least: bool = False

    @property
    def ratio(self) -> float | None:
        """Value over floor."""
        return None if not self.floor else self.value / self.floor

    @property
    def ok(self) -> bool | None:
        """Whether the goal is met; ``None`` without a goal."""
        if self.goal is None:
            return None
        judged = self.value if self.ratio is None else self.ratio
        return judged >= self.goal if self.at_least else judged <= self.goal

    def line(self) -> str:
        """Return the JSON line."""
        ratio = self.ratio
        return json.dumps(
            {
                "name": self.name,
                "value": round(self.value, 4),
                "floor": None if self.floor is None else round(self.floor, 4),
                "ratio": None if ratio is None else round(ratio, 4),
                "goal": None if self.goal is None else round(self.goal, 4),
                "ok": self.ok,
                "unit": self.unit,
            }
        )


def report(figure: Figure, **samples: Sequence[float]) -> bool:
    """Print a figure and keep its samples; say whether it is good."""
    print(figure.line(), flush=True)
    OUT.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    path = OUT / f"{stamp}-{figure.name}.json"
    kept = {"figure": json.loads(figure.line()), "samples": dict(samples.items())}
    path.write_text(json.dumps(kept), encoding="utf-8")
    return figure.ok is not False


def p50(samples: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(samples)


def p99(samples: Sequence[float]) -> float:
    """Return the value 99 of 100 samples stay below."""
    return sorted(samples)[max(0, int(len(samples) * 0.99) - 1)]

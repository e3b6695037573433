"""All attacks, in the order of their numbers."""

from __future__ import annotations

import importlib

from tests.abuse.attack import Attack

_PARTS = ("files", "privileges", "resources", "processes", "network", "code", "own")

_TABLES = [importlib.import_module(f"{__name__}.{part}").TABLE for part in _PARTS]

ATTACKS: dict[int, Attack] = {
    attack.number: attack
    for attack in sorted(
        (each for table in _TABLES for each in table), key=lambda each: each.number
    )
}
"""Number → attack; 1 to 80 are the specification's, the others our own."""

"""Which optional extras of the agent are absent, and what to tell the user.

Asked by ``doctor``, by the supervisor's probe and by tests that need an extra.  Nothing is
imported to find out.
"""

from __future__ import annotations

from importlib.util import find_spec

EXTRAS: dict[str, tuple[tuple[str, ...], ...]] = {
    "camera": (("PIL",), ("numpy",)),
    "inference": (("numpy",), ("ai_edge_litert", "tflite_runtime")),
}
"""Per extra: what it needs; each need is a tuple of packages of which one suffices."""


def missing(extra: str) -> list[str]:
    """Return the needs of ``extra`` that are not installed, e.g. ``["PIL"]``; empty means usable.

    :param extra: a key of :data:`EXTRAS`
    """
    return [
        " or ".join(choices)
        for choices in EXTRAS[extra]
        if not any(find_spec(package) for package in choices)
    ]


def cure(extra: str) -> str:
    """Return the command that installs ``extra``."""
    return f"pip install 'iotronic-mec[{extra}]'"

"""Small pieces of Markdown."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars and line ends in cells are made harmless."""
    cells = [head, ["---"] * len(head), *([cell(text) for text in row] for row in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def cell(text: str) -> str:
    """Return a text that can stand in a table."""
    return " ".join(str(text).split()).replace("|", "\\|")


def code(text: object) -> str:
    """Return a text as code."""
    return f"`{text}`" if str(text) else ""


def first_sentence(thing: object) -> str:
    """Return the first paragraph of a docstring, as one line, without roles."""
    text = inspect.cleandoc(getattr(thing, "__doc__", None) or "").partition("\n\n")[0]
    return plain(" ".join(text.split()))


def plain(text: str) -> str:
    """Return reStructuredText's code and roles as Markdown's code."""
    for role in (":class:", ":func:", ":meth:", ":mod:", ":data:"):
        text = text.replace(role, "")
    return text.replace("``", "`").replace("`~", "`").replace("<", "&lt;")

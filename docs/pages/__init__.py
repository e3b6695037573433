"""The pages of *look up*, each written from the code it describes.

``PAGES`` maps a file's name to the function that returns its text in Markdown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from pages import board, cloud, commands, machines

PAGES: Mapping[str, Callable[[], str]] = {
    "commands": commands.page,
    "rest": cloud.rest,
    "configuration": cloud.configuration,
    "policies": cloud.policies,
    "errors": cloud.errors,
    "states": machines.page,
    "board_protocol": board.page,
}


def write(folder: Path) -> None:
    """Write every page; one that did not change keeps its time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in PAGES.items():
        target = folder / f"{name}.md"
        text = make()
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            target.write_text(text, encoding="utf-8")

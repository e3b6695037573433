"""Reads the blocks of commands in the documents.

Each ``console`` block stands below one of these comments, which no reader sees:

``<!-- tested -->``
    run, in one shell for the whole page; every command must end with 0
``<!-- tested: fails -->``
    the same, and every command must not end with 0
``<!-- tested: until -->``
    repeated until it ends with 0 and prints what stands there
``<!-- tested: terminal NAME -->``
    its last command goes on in the background; what stands below it is waited for
``<!-- not tested: why -->``

``<!-- file: NAME -->`` above a block of any language writes it to a file. Lines that
begin with ``$`` are commands; the others are what must be printed, in this order,
``…`` standing for anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>.+?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)

TESTED = re.compile(r"tested(?:: (?P<how>fails|until|terminal \w+))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command and what it must print."""

    text: str
    output: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block.

    :param mark: the comment above it, or ""
    :param line: where it starts, from 1
    """

    mark: str
    language: str
    text: str
    line: int

    @property
    def how(self) -> str | None:
        """How it is tested: "", "fails", "until" or "terminal NAME"; None if not."""
        found = TESTED.match(self.mark)
        return None if found is None else found["how"] or ""

    @property
    def file(self) -> str | None:
        """The file it is written to, if any."""
        return self.mark.removeprefix("file: ") if self.mark.startswith("file: ") else None

    @property
    def commands(self) -> list[Command]:
        """The commands, each with its output."""
        found: list[tuple[str, list[str]]] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif found and line:
                found[-1][1].append(line)
        return [Command(text=text, output=tuple(output)) for text, output in found]


def blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a document, in order."""
    return [
        Block(
            mark=found["mark"] or "",
            language=found["language"],
            text=found["text"],
            line=text.count("\n", 0, found.start()) + 1,
        )
        for found in BLOCK.finditer(text)
    ]


def documents(repository: Path) -> list[Path]:
    """Return the hand-written documents."""
    pages = sorted((repository / "docs").rglob("*.md"))
    written = [page for page in pages if not {"generated", "build", "proof"} & set(page.parts)]
    return [repository / "README.md", repository / "CONTRIBUTING.md", *written]


def is_in(lines: tuple[str, ...], printed: str) -> bool:
    """Say whether lines, ``…`` being anything, were printed in this order."""
    pattern = ".*".join(".*".join(map(re.escape, line.split("…"))) for line in lines)
    return re.search(pattern, printed, re.DOTALL) is not None

"""Reads ``docs/acceptance.md`` and says what is wrong with it.

Each row of its table is ``| id | what | state | proof | last result |``. The
state is ``open``, ``green`` or ``cannot, because …``. A proof is written in
backticks: a test (``path::name``), a tox command (``tox -e bench``) or an
executable file of the checkout (``.ci/run``). Several stand one after another.
"""

from __future__ import annotations

import ast
import configparser
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROW = re.compile(r"^\|\s*([A-Z]\d+)\s*\|(.*)\|\s*$")
PROOF = re.compile(r"`([^`]+)`")
DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b")
SHORTEST_REASON = 20
"""Characters a reason of *cannot* must at least have to be one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One acceptance criterion and where it stands."""

    id: str
    claim: str
    state: str
    proofs: tuple[str, ...]
    result: str


def read(text: str) -> list[Entry]:
    """Return the rows of the table, in order.

    :raises ValueError: a row has not five cells
    """
    entries = []
    for line in text.splitlines():
        row = ROW.match(line)
        if row is None:
            continue
        cells = [cell.strip() for cell in row[2].split("|")]
        if len(cells) != 4:
            raise ValueError(f"{row[1]} has {len(cells) + 1} cells, not 5")
        claim, state, proof, result = cells
        proofs = tuple(PROOF.findall(proof))
        entries.append(Entry(id=row[1], claim=claim, state=state, proofs=proofs, result=result))
    return entries


def faults(root: Path, entries: list[Entry], ids: list[str]) -> Iterator[str]:
    """Yield what is wrong: with the list of ids, and with each entry.

    :param root: the checkout
    :param ids: the criteria there are, in order
    """
    if [entry.id for entry in entries] != ids:
        yield f"the ids are {', '.join(entry.id for entry in entries)}; wanted {', '.join(ids)}"
    for entry in entries:
        yield from (f"{entry.id}: {fault}" for fault in faults_of(root, entry))


def faults_of(root: Path, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with one entry."""
    if entry.state == "green":
        if not entry.proofs:
            yield "green without a test or a command"
        if not DATE.search(entry.result):
            yield "green without a dated result"
        for proof in entry.proofs:
            fault = fault_of_proof(root, proof)
            if fault:
                yield fault
    elif entry.state.startswith("cannot, because "):
        if len(entry.state) < len("cannot, because ") + SHORTEST_REASON:
            yield "cannot, without a reason"
    elif entry.state != "open":
        yield f"{entry.state!r} is no state"


def fault_of_proof(root: Path, proof: str) -> str | None:
    """Return why a proof proves nothing, or ``None``."""
    words = shlex.split(proof)
    if words[0] == "tox":
        return fault_of_tox(root, words[1:])
    if "::" in words[0]:
        path, _, name = words[0].partition("::")
        return fault_of_test(root / path, path, name)
    if words[0].endswith(".py") and words[0].startswith("tests/"):
        return f"{proof} names a file, not a test in it"
    program = root / words[0]
    return None if program.is_file() and os.access(program, os.X_OK) else f"no command {words[0]}"


def fault_of_tox(root: Path, words: list[str]) -> str | None:
    """Return why a tox command cannot be run, or ``None``."""
    if words[:1] != ["-e"]:
        return None if not words else "a tox command is 'tox' or 'tox -e NAME'"
    config = configparser.ConfigParser(interpolation=None)
    config.read(root / "tox.ini", encoding="utf-8")
    known = {name.removeprefix("testenv:") for name in config.sections()} | default_list(config)
    return None if words[1] in known else f"no tox environment {words[1]}"


def default_list(config: configparser.ConfigParser) -> set[str]:
    """Return the names of tox's default list."""
    return set(re.split(r"[,\s]+", config.get("tox", "envlist", fallback="")))


def fault_of_test(file: Path, path: str, name: str) -> str | None:
    """Return why a test does not exist, or ``None``.

    :param name: ``test_x``, or ``TestX::test_y``; a parameter in brackets is
        not looked at
    """
    if not file.is_file():
        return f"no file {path}"
    body: list[ast.stmt] = ast.parse(file.read_text(encoding="utf-8")).body
    for part in name.partition("[")[0].split("::"):
        found = [node for node in body if getattr(node, "name", None) == part]
        if not found:
            return f"no {name} in {path}"
        body = list(getattr(found[0], "body", []))
    return None

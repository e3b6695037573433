"""The documents say what is so: commands, routes, options, codes, tests they name."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from iotronic_mec.api import system
from iotronic_mec.cli.commands import COMMANDS
from iotronic_mec.cmd import main as cloud_command
from iotronic_mec.registry import FEATURES
from lightning_agent import cmd as board_command
from tests import docs_blocks, ledger

TEST_NAME = re.compile(r"`(tests/[\w/]+\.py::[\w:\[\]-]+)`")
FILE_NAME = re.compile(r"`((?:tests|docs|examples|iotronic_mec|lightning_agent)/[\w./-]+\.\w+)`")
SHORT_NAME = re.compile(
    r"`((?:api|rpc|wamp|gateway|features|session|modules|supervisor|sandbox|state)/[\w/]+\.py)`"
)
ROUTE = re.compile(r"(?<![\w.])/v1(?:/[\w{}$.-]+)+")
NOT_TESTED = re.compile(r"not tested: \S+ \S+")

PAGES = docs_blocks.documents(Path(__file__).resolve().parents[2])
BLOCKS = [(page, block) for page in PAGES for block in docs_blocks.blocks(page.read_text())]


def name_of(page: Path) -> str:
    """Return a page's name for the list of tests."""
    return f"{page.parent.name}/{page.stem}"


def fault_of(command: str) -> str | None:
    """Return why a command line of ours does not exist, or ``None``."""
    words = shlex.split(command, comments=True)
    for start, word in enumerate(words):
        ours = word == "iot" and "openstack" not in words[:start]
        if ours or words[start - 1 : start + 1] == ["openstack", "iot"]:
            rest = words[start + 1 :]
            known = any(rest[: len(name.split())] == name.split() for name in COMMANDS)
            return None if known else f"iot has no command {' '.join(rest[:3])}"
        for program, table in (
            ("iotronic-mec", cloud_command.COMMANDS),
            ("lightning-agent", board_command.COMMANDS),
        ):
            if word == program and words[start + 1] not in table:
                return f"{program} has no command {words[start + 1]}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_console_block_is_tested_or_says_why_not(page: Path) -> None:
    """A block of commands is run by a test, or tells the reason."""
    unmarked = [
        block.line
        for block in docs_blocks.blocks(page.read_text())
        if block.language == "console" and block.how is None and not NOT_TESTED.match(block.mark)
    ]

    assert unmarked == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_exists(page: Path) -> None:
    """No document uses a command that the programs do not have."""
    faults = [
        fault
        for block in docs_blocks.blocks(page.read_text())
        for command in block.commands
        for fault in [fault_of(command.text.replace("$(", "").replace(")", ""))]
        if fault
    ]

    assert faults == []


def test_an_unknown_command_is_found() -> None:
    """The check above can fail."""
    assert fault_of("iot board paint red") == "iot has no command board paint red"
    assert fault_of("iotronic-mec fly") == "iotronic-mec has no command fly"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_named_test_and_file_exists(repository: Path, page: Path) -> None:
    """What a document points at in the checkout is there."""
    text = page.read_text()
    found = [ledger.fault_of_proof(repository, name) for name in TEST_NAME.findall(text)]
    found += [
        f"no file {name}"
        for name in FILE_NAME.findall(text)
        if "<" not in name and not (repository / name).exists()
    ]
    found += [
        f"no file {name}"
        for name in SHORT_NAME.findall(text)
        if not any(
            (repository / package / name).exists()
            for package in ("iotronic_mec", "lightning_agent")
        )
    ]

    if page.name != "acceptance.md":
        assert [fault for fault in found if fault] == []


def test_every_route_in_the_documents_exists() -> None:
    """No document tells of a route that the API does not have."""
    listed = [
        *system.routes(FEATURES),
        *(route for feature in FEATURES for route in feature.routes),
    ]
    known = [re.compile(re.sub(r"\{\w+\}", r"[^/]+", route.path) + "$") for route in listed]
    written = {found for page in PAGES for found in ROUTE.findall(page.read_text())}

    unknown = [path for path in written if not any(form.match(path) for form in known)]

    assert unknown == []


def test_every_policy_says_what_it_allows() -> None:
    """No rule stands in the manual without a sentence and its routes."""
    policies = [policy for feature in FEATURES for policy in feature.policies]

    assert [p.name for p in policies if not p.description or not p.operations] == []


def test_blocks_are_read_with_their_marks() -> None:
    """Marks, commands and outputs are found as the page has them."""
    text = "<!-- tested: until -->\n```console\n$ a b\none\n…two\n\n$ c\n```\n```python\nx\n```\n"

    first, second = docs_blocks.blocks(text)

    assert (first.how, first.line) == ("until", 1)
    assert [(c.text, c.output) for c in first.commands] == [("a b", ("one", "…two")), ("c", ())]
    assert (second.how, second.language) == (None, "python")


@pytest.mark.parametrize(
    ("lines", "printed", "found"),
    [
        (("one", "two"), "one\ntwo", True),
        (("one", "two"), "two\none", False),
        (("a…c",), "abbbc", True),
        (("a.c",), "abc", False),
    ],
)
def test_outputs_are_compared_by_lines(lines: tuple[str, ...], printed: str, found: bool) -> None:
    """Lines are looked for in their order, an ellipsis stands for anything."""
    assert docs_blocks.is_in(lines, printed) is found

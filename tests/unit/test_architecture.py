"""The architecture holds: every rule on our sources, and every rule on a planted fault."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.architecture.planted import CLEAN, VIOLATIONS, Violation, plant
from tests.architecture.rules import RULES
from tests.architecture.sources import Project, functions, load


@pytest.fixture(scope="module")
def project(repository: Path) -> Project:
    """Read the sources of both packages."""
    return load(repository)


@pytest.mark.parametrize("name", RULES)
def test_our_sources_keep_the_rule(project: Project, name: str) -> None:
    """Nothing in either package breaks the rule."""
    rule = RULES[name]

    found = sorted(set(rule.find(project)))

    assert not found, "\n".join([rule.sentence, *found])


@pytest.mark.parametrize("name", RULES)
def test_a_clean_tree_keeps_the_rule(tmp_path: Path, name: str) -> None:
    """The tree the faults are planted in has none of them itself."""
    project = plant(tmp_path, CLEAN)

    found = list(RULES[name].find(project))

    assert found == []


@pytest.mark.parametrize("violation", VIOLATIONS, ids=str)
def test_a_planted_fault_is_found(tmp_path: Path, violation: Violation) -> None:
    """One change to the clean tree is found, by its rule, at its place."""
    project = plant(tmp_path, {**CLEAN, **violation.files})

    found = list(RULES[violation.rule].find(project))

    assert any(violation.finding in line for line in found), found


def test_every_rule_has_a_planted_fault() -> None:
    """No rule stands in the list without proof that it can fail."""
    assert {violation.rule for violation in VIOLATIONS} == set(RULES)


def test_every_test_says_what_it_shows(repository: Path) -> None:
    """Each test function has a docstring."""
    silent = [
        f"{path.relative_to(repository)}:{node.lineno}"
        for path in sorted((repository / "tests").rglob("test_*.py"))
        for node in functions(ast.parse(path.read_text(encoding="utf-8")))
        if node.name.startswith("test_") and ast.get_docstring(node) is None
    ]

    assert silent == []

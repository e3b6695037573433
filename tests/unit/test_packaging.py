"""What is installed is what is imported, and nothing else is promised."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.sources import BOARD, CLOUD, Module, load

EXTRAS_OF = {
    f"{CLOUD}.cli": {"cli"},
    f"{CLOUD}.sdk": {"cli"},
    CLOUD: {"server"},
    f"{BOARD}.camera": {"camera"},
    f"{BOARD}.inference": {"inference"},
    BOARD: {"agent"},
}
"""Package to the extras that may be counted on in it; the longest name wins."""

ADDRESS = re.compile(r"(?!postgresql|mariadb)\b\w+://\S+|find-links")
"""Any address but those of the tests' databases: nothing is installed from there."""


@pytest.fixture(scope="module")
def setup(repository: Path) -> configparser.ConfigParser:
    """Read setup.cfg."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(repository / "setup.cfg", encoding="utf-8")
    return config


def requirements(setup: configparser.ConfigParser, extra: str) -> list[Requirement]:
    """Return an extra's requirements."""
    lines = setup["options.extras_require"][extra].splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def extras_of(module: Module) -> set[str]:
    """Return the extras a module's imports must come from."""
    names = [name for name in EXTRAS_OF if f"{module.name}.".startswith(f"{name}.")]
    return EXTRAS_OF[max(names, key=len)]


def foreign_imports(module: Module) -> set[str]:
    """Return the libraries a module loads."""
    tops = {entry.target.partition(".")[0] for entry in module.imports if not entry.type_only}
    ours = {CLOUD, BOARD, "lightning_plugin"}
    return {top for top in tops if top not in sys.stdlib_module_names} - ours


def test_every_library_that_is_imported_is_required(
    repository: Path, setup: configparser.ConfigParser
) -> None:
    """What a package imports is named by its extra, not left to chance."""
    distributions = packages_distributions()
    missing = set()
    for module in load(repository).modules.values():
        required = {
            canonicalize_name(each.name)
            for extra in extras_of(module)
            for each in requirements(setup, extra)
        }
        for library in foreign_imports(module):
            brought_by = {canonicalize_name(name) for name in distributions.get(library, [])}
            if not brought_by & required:
                missing.add(f"{module.path} imports {library}")

    assert sorted(missing) == []


def test_the_base_install_needs_the_standard_library_only(repository: Path) -> None:
    """Both packages and the protocol are imported without any site-packages."""
    names = ["errors", "messages", "names", "version"]
    imports = ", ".join([CLOUD, BOARD, *(f"{BOARD}.protocol.{name}" for name in names)])
    code = f"import sys; sys.path.insert(0, sys.argv[1]); import {imports}"

    done = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", code, str(repository)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "group", ["console_scripts", "openstack.cli.extension", "openstack.iot.v1"]
)
def test_every_entry_point_leads_somewhere(
    repository: Path, setup: configparser.ConfigParser, group: str
) -> None:
    """The module of each entry point is there and defines what is named."""
    modules = load(repository).modules
    lines = setup["options.entry_points"][group].splitlines()
    points = [line.partition("=")[2].strip() for line in lines if "=" in line]

    lost = []
    for point in points:
        module, _, name = point.partition(":")
        found = modules.get(module)
        if found is None or (name and not re.search(rf"\b(def|class) {name}\b", found.text)):
            lost.append(point)

    assert points
    assert lost == []


def test_the_constraints_satisfy_every_range(
    repository: Path, setup: configparser.ConfigParser
) -> None:
    """Each requirement of each extra has one exact version that it accepts."""
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines)

    wrong = [
        str(each)
        for extra in setup["options.extras_require"]
        for each in requirements(setup, extra)
        if not each.specifier.contains(pins.get(canonicalize_name(each.name), "0"))
    ]

    assert wrong == []


@pytest.mark.parametrize("name", ["constraints.txt", "tox.ini", ".ci/run", ".ci/constraints"])
def test_no_address_of_an_index_is_committed(repository: Path, name: str) -> None:
    """Where packages come from is the business of each machine."""
    assert ADDRESS.findall((repository / name).read_text(encoding="utf-8")) == []

"""Inside a feature and between features; names of files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from tests.architecture.imports import within
from tests.architecture.sources import (
    CLOUD,
    FEATURES,
    Project,
    feature_and_file,
    feature_order,
)

OWN_FILES: Mapping[str, Sequence[str]] = {
    "states": (),
    "model": ("states",),
    "table": ("model", "states"),
    "store": ("table", "model", "states"),
    "schema": ("model", "states"),
    "policy": (),
    "access": ("store", "model", "states"),
    "commands": ("access", "reports", "store", "model", "states"),
    "reports": ("store", "model", "states"),
    "periodic": ("commands", "reports", "store", "model", "states"),
    "api": ("schema", "policy", "store", "model", "states"),
    "__init__": ("*",),
}
"""File of a feature to the files of the same feature it may import; its keys
are the only file names a feature has."""

MACHINERY: Mapping[str, Sequence[str]] = {
    "states": (),
    "model": (),
    "table": ("db",),
    "store": ("db",),
    "schema": ("api",),
    "policy": ("api.policy", "feature"),
    "access": ("db.session", "feature"),
    "commands": ("rpc", "drivers", "events", "db.session", "feature"),
    "reports": ("rpc", "drivers", "events", "db.session", "feature"),
    "periodic": ("rpc", "drivers", "events", "db.session", "feature"),
    "api": ("api", "rpc.client", "db.session", "feature"),
    "__init__": ("feature",),
}
"""File of a feature to the machinery it may import beside the single files of
``iotronic_mec`` (errors, context, clock, …)."""

LAYERS = ("api", "rpc", "drivers", "db", "events", "feature")

FOREIGN_FILES = ("access", "store", "commands", "model", "table", "states")
"""What a later feature may import of an earlier one."""

FORBIDDEN_NAMES = frozenset(
    {"utils", "util", "helpers", "helper", "common", "misc", "base_utils", "info", "mgr"}
)


def inside_a_feature(project: Project) -> Iterator[str]:
    """Find imports between the files of one feature, or of the wrong machinery."""
    features = feature_folders(project)
    for module in project.modules.values():
        place = feature_and_file(module.name, features)
        if place is None or place[1] not in OWN_FILES:
            continue
        feature, file = place
        for target, entry in project.edges(module):
            other = feature_and_file(target, features)
            if other is not None and other[0] == feature:
                if "*" not in OWN_FILES[file] and other[1] not in OWN_FILES[file]:
                    yield module.at(entry.line, f"{file}.py imports {other[1]}.py")
                continue
            relative = target.removeprefix(f"{CLOUD}.")
            is_layer = within(target, CLOUD) and any(within(relative, name) for name in LAYERS)
            if is_layer and not any(within(relative, name) for name in MACHINERY[file]):
                yield module.at(entry.line, f"{file}.py imports {target}")


def between_features(project: Project) -> Iterator[str]:
    """Find imports of later features, or of files a feature keeps to itself."""
    order = feature_order(project)
    folders = feature_folders(project)
    for feature in folders:
        if feature not in order:
            yield f"{CLOUD}/registry.py:1: FEATURES lacks {feature}"
    for module in project.modules.values():
        place = feature_and_file(module.name, folders)
        if place is None:
            continue
        for target, entry in project.edges(module):
            other = feature_and_file(target, folders)
            if other is None or other[0] == place[0] or not {other[0], place[0]} <= set(order):
                continue
            if order.index(other[0]) > order.index(place[0]):
                yield module.at(entry.line, f"{place[0]} imports the later {other[0]}")
            elif other[1] not in FOREIGN_FILES:
                yield module.at(entry.line, f"{place[0]} imports {other[0]}/{other[1]}.py")


def feature_folders(project: Project) -> list[str]:
    """Return the features' folder names, a group's members as ``group.member``.

    A folder holding one of the fixed files other than ``__init__`` is a
    feature; one holding only folders is a group.
    """
    found = set()
    for module in project.modules.values():
        if not module.is_package and within(module.name, FEATURES):
            found.add(module.name.removeprefix(f"{FEATURES}.").rpartition(".")[0])
    return sorted(found - {""})


def fixed_file_names(project: Project) -> Iterator[str]:
    """Find files in features that are not one of the fixed names."""
    for module in project.modules.values():
        if not within(module.name, FEATURES) or module.name == FEATURES:
            continue
        relative = PurePosixPath(module.path.removeprefix(f"{CLOUD}/features/"))
        if len(relative.parts) == 1 or len(relative.parts) > 3:
            yield module.at(1, "a feature is a folder, grouped one level at most")
        elif relative.stem not in OWN_FILES:
            yield module.at(1, f"{relative.name} is not one of a feature's file names")
    for feature in feature_folders(project):
        package = project.modules.get(f"{FEATURES}.{feature}")
        if package is None or "FEATURE" not in package.text:
            yield f"{CLOUD}/features/{feature}/__init__.py:1: builds no FEATURE"


def no_heaps(project: Project) -> Iterator[str]:
    """Find files and folders named after no noun, and files split by number."""
    for module in project.modules.values():
        name = module.name.rpartition(".")[2]
        if name in FORBIDDEN_NAMES:
            yield module.at(1, f"{name} is no noun of the domain")
        elif name.rstrip("0123456789").endswith("_") and name[-1].isdigit():
            yield module.at(1, "a noun is split, never a file by number")


def migrations_keep_their_place(project: Project) -> Iterator[str]:
    """Find what would let ``alembic/`` hide the library of that name."""
    for path in sorted((project.root / "alembic").rglob("__init__.py")):
        relative = path.relative_to(project.root).as_posix()
        yield f"{relative}:1: alembic/ holds no __init__.py"
    for module in project.modules.values():
        for entry in module.imports:
            if within(entry.target, f"{CLOUD}.migrations"):
                yield module.at(entry.line, "imports the migrations, which are found by path")

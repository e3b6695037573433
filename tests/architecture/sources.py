"""The two packages as parsed files; nothing is imported or run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

CLOUD = "iotronic_mec"
BOARD = "lightning_agent"
FEATURES = f"{CLOUD}.features"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class Import:
    """One name an import statement brings in.

    :param target: dotted, as far as the statement says: ``twisted.internet.defer``
    :param deferred: inside a function, run when that is called
    :param type_only: below ``if TYPE_CHECKING``, never run
    """

    target: str
    line: int
    deferred: bool
    type_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One source file.

    :param name: dotted; a package's ``__init__`` has the package's name
    :param path: relative to the checkout, with ``/``
    """

    name: str
    path: str
    is_package: bool
    text: str
    tree: ast.Module
    imports: tuple[Import, ...]

    @property
    def lines(self) -> list[str]:
        """The text by lines, without their ends."""
        return self.text.splitlines()

    def at(self, line: int, what: str) -> str:
        """Return a finding in this file, as editors understand it."""
        return f"{self.path}:{line}: {what}"


@dataclass(slots=True)
class Project:
    """All modules of both packages.

    :param root: the checkout
    """

    root: Path
    modules: dict[str, Module] = field(default_factory=dict)

    def internal(self, target: str) -> str | None:
        """Return the module of ours that an import's target names, if one does."""
        while target:
            if target in self.modules:
                return target
            target = target.rpartition(".")[0]
        return None

    def edges(self, module: Module) -> Iterator[tuple[str, Import]]:
        """Yield the modules of ours a module imports, with the import."""
        for entry in module.imports:
            target = self.internal(entry.target)
            if target is not None and target != module.name:
                yield target, entry


def load(root: Path) -> Project:
    """Read both packages below a checkout."""
    project = Project(root)
    for package in (CLOUD, BOARD):
        for path in sorted((root / package).rglob("*.py")):
            module = read(root, path)
            project.modules[module.name] = module
    return project


def read(root: Path, path: Path) -> Module:
    """Parse one file.

    :raises SyntaxError: it is not Python
    """
    relative = path.relative_to(root)
    parts = list(relative.with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    if is_package:
        parts.pop()
    name = ".".join(parts)
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(relative))
    package = parts if is_package else parts[:-1]
    return Module(
        name=name,
        path=relative.as_posix(),
        is_package=is_package,
        text=text,
        tree=tree,
        imports=tuple(iter_imports(tree.body, package)),
    )


def iter_imports(
    body: Iterable[ast.AST],
    package: list[str],
    deferred: bool = False,
    type_only: bool = False,
) -> Iterator[Import]:
    """Yield every name imported below some nodes.

    :param package: the parts of the package relative imports start from
    """
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for target in targets(node, package):
                yield Import(
                    target=target, line=node.lineno, deferred=deferred, type_only=type_only
                )
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            yield from iter_imports(node.body, package, deferred, True)
            yield from iter_imports(node.orelse, package, deferred, type_only)
        else:
            inside = deferred or isinstance(node, Function | ast.Lambda)
            yield from iter_imports(ast.iter_child_nodes(node), package, inside, type_only)


def targets(node: ast.Import | ast.ImportFrom, package: list[str]) -> list[str]:
    """Return the dotted names one statement brings in."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        start = package[: len(package) - node.level + 1]
        base = ".".join([*start, *([base] if base else [])])
    return [f"{base}.{alias.name}" for alias in node.names]


def functions(tree: ast.AST) -> Iterator[Function]:
    """Yield every function and method."""
    for node in ast.walk(tree):
        if isinstance(node, Function):
            yield node


def feature_order(project: Project) -> list[str]:
    """Return the features' folder names (``board``, ``mec.service``) in order.

    Read from the tuple ``FEATURES`` of ``registry.py``, whose members are
    ``<module>.FEATURE`` or names imported from a feature's package.
    """
    registry = project.modules.get(f"{CLOUD}.registry")
    if registry is None:
        return []
    names = local_names(registry)
    for node in registry.tree.body:
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target, value = node.target, node.value
        else:
            continue
        if isinstance(target, ast.Name) and target.id == "FEATURES":
            assert isinstance(value, ast.Tuple), "registry.FEATURES is written as a tuple"
            return [feature_of(names, member) for member in value.elts]
    return []


def local_names(module: Module) -> dict[str, str]:
    """Return what the names of a module's imports stand for."""
    names = {}
    for node in module.tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name] = alias.name
    return names


def feature_of(names: dict[str, str], member: ast.expr) -> str:
    """Return the feature a member of ``FEATURES`` stands for."""
    written = ast.unparse(member)
    first, _, rest = written.partition(".")
    dotted = ".".join(filter(None, [names.get(first, first), rest]))
    return dotted.removeprefix(f"{FEATURES}.").removesuffix(".FEATURE")


def feature_and_file(name: str, features: Iterable[str]) -> tuple[str, str] | None:
    """Split ``iotronic_mec.features.board.store`` into ``board`` and ``store``.

    :returns: ``None`` when the module is in no feature; the file of a
        feature's package itself is ``__init__``
    """
    for feature in features:
        prefix = f"{FEATURES}.{feature}"
        if name == prefix:
            return feature, "__init__"
        if name.startswith(f"{prefix}."):
            return feature, name.removeprefix(f"{prefix}.")
    return None

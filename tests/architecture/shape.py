"""Sizes, imports inside functions, broad excepts, what is left untyped."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from tests.architecture.sources import Module, Project, functions

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60

RIMS: Mapping[str, int] = {
    # HTTP: the controller's hook, and the front's site
    "iotronic_mec/api/app.py": 1,
    "iotronic_mec/gateway/site.py": 1,
    # RPC: the dispatch in the core, and in the front
    "iotronic_mec/rpc/server.py": 1,
    "iotronic_mec/bridge/local.py": 1,
    "iotronic_mec/bridge/bus.py": 1,
    # the threads that run calls of the bus: one mistake must not cost a thread; logged
    "iotronic_mec/rpc/workers.py": 1,
    # what a function raised in the pool is raised again in the reactor
    "iotronic_mec/bridge/threads.py": 1,
    # WAMP: reports, logins and the session's own work; calls on the board
    "iotronic_mec/wamp/inbound.py": 1,
    "iotronic_mec/wamp/agent.py": 2,
    "lightning_agent/session/dispatch.py": 1,
    # the supervisor's socket and timers: one mistake must not end all sandboxes
    "lightning_agent/supervisor/loop.py": 1,
    # threads nobody waits for: one mistake in a piece of work or in a consumer must
    # not end all repeated work, or the events of all; logged, counted, with back-off
    "iotronic_mec/periodic.py": 1,
    "iotronic_mec/events/relay.py": 2,
    # the thread of the beats: ended, nobody would lead until a restart; logged
    "iotronic_mec/db/leader.py": 1,
    # what a caller's function raised is kept for the caller's thread
    "iotronic_mec/db/session.py": 2,
    # what a thread raised is kept for the reactor's side, which raises it again
    "lightning_agent/modules/aside.py": 1,
    # a tenant's code may raise anything
    "lightning_agent/sandbox/child.py": 1,
}
"""File to how many broad excepts it may hold: the outer rims, one a process."""

MAX_TYPE_IGNORES = 50
"""Marks that silence the type checker, in both packages together; to go down."""

MAX_ANY_PER_1000_LINES = 25
"""Uses of ``Any`` in both packages, per 1,000 lines; to go down."""

BROAD = re.compile(r"^(Base)?Exception$")


def files_are_short(project: Project) -> Iterator[str]:
    """Find files and functions over the limits."""
    for module in project.modules.values():
        length = len(module.lines)
        if length > MAX_FILE_LINES:
            yield module.at(length, f"{length} lines")
        for function in functions(module.tree):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > MAX_FUNCTION_LINES:
                yield module.at(function.lineno, f"{function.name} has {lines} lines")


def imports_stand_on_top(project: Project) -> Iterator[str]:
    """Find imports inside functions without a comment that names the extra."""
    for module in project.modules.values():
        for line in {entry.line for entry in module.imports if entry.deferred}:
            if "extra" not in comment(module, line):
                yield module.at(line, "import inside a function")


def comment(module: Module, line: int) -> str:
    """Return the comment on a line, or on the line above it."""
    lines = module.lines
    above = lines[line - 2].strip() if line > 1 else ""
    here = lines[line - 1].partition("#")[2]
    return here or (above if above.startswith("#") else "")


def broad_excepts_at_the_rims(project: Project) -> Iterator[str]:
    """Find ``except Exception`` outside the outer rims, or more than declared."""
    for module in project.modules.values():
        found = [
            node.lineno
            for node in ast.walk(module.tree)
            if isinstance(node, ast.ExceptHandler)
            and is_broad(node.type)
            and not raises_again(node)
        ]
        for line in found[RIMS.get(module.path, 0) :]:
            yield module.at(line, "a broad except")


def is_broad(caught: ast.expr | None) -> bool:
    """Say whether a handler catches everything."""
    if caught is None:
        return True
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(BROAD.match(ast.unparse(name)) for name in names)


def raises_again(handler: ast.ExceptHandler) -> bool:
    """Say whether a handler only looks at what it caught and lets it go on."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


def little_is_untyped(project: Project) -> Iterator[str]:
    """Find more silenced type checks and more ``Any`` than the bounds."""
    modules = project.modules.values()
    ignores = [
        module.at(number, "type: ignore")
        for module in modules
        for number, line in enumerate(module.lines, 1)
        if "# type: ignore" in line
    ]
    if len(ignores) > MAX_TYPE_IGNORES:
        yield f"{len(ignores)} times type: ignore, allowed are {MAX_TYPE_IGNORES}"
        yield from ignores
    for module in modules:
        for number, line in enumerate(module.lines, 1):
            if "# type: ignore" in line and "# type: ignore[" not in line:
                yield module.at(number, "type: ignore without the error it silences")
    uses = sum(
        isinstance(node, ast.Name) and node.id == "Any"
        for module in modules
        for node in ast.walk(module.tree)
    )
    allowed = MAX_ANY_PER_1000_LINES * (1 + sum(len(m.lines) for m in modules) // 1000)
    if uses > allowed:
        yield f"{uses} times Any, allowed are {allowed}"


def annotations_are_lazy(project: Project) -> Iterator[str]:
    """Find files with code that lack ``from __future__ import annotations``."""
    for module in project.modules.values():
        has_code = any(not is_docstring(node) for node in module.tree.body)
        lazy = any(entry.target == "__future__.annotations" for entry in module.imports)
        if has_code and not lazy:
            yield module.at(1, "no 'from __future__ import annotations'")


def is_docstring(node: ast.stmt) -> bool:
    """Say whether a statement is a lone string."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def public_things_say_what_they_are(project: Project) -> Iterator[str]:
    """Find public modules, classes and functions without a docstring."""
    for module in project.modules.values():
        if ast.get_docstring(module.tree) is None:
            yield module.at(1, "the module has no docstring")
        yield from undocumented(module, module.tree)


def undocumented(module: Module, parent: ast.Module | ast.ClassDef) -> Iterator[str]:
    """Find the public definitions directly below a module or class."""
    for node in parent.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield module.at(node.lineno, f"{node.name} has no docstring")
        if isinstance(node, ast.ClassDef):
            yield from undocumented(module, node)

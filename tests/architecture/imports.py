"""Who may import whom: the layers of both packages, the libraries, cycles."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch

from tests.architecture.sources import BOARD, CLOUD, Import, Module, Project

ROOT = "(root)"
"""The layer of single files directly in a package that have no row of their own."""

CLOUD_LAYERS: Mapping[str, Sequence[str]] = {
    ROOT: (ROOT, "feature"),
    "bridge": (ROOT, "bridge", "prompt"),
    "egress": (ROOT,),
    "prompt": (),
    "feature": (ROOT,),
    "api": (ROOT, "feature", "api", "rpc.client"),
    "db": (ROOT, "db"),
    "events": (ROOT, "feature", "db", "events"),
    "rpc": (ROOT, "rpc"),
    "drivers": (ROOT, "drivers"),
    "scheduler": ("errors", "scheduler"),
    "wamp": (ROOT, "wamp", "rpc", "bridge", "prompt"),
    "lwm2m": (ROOT, "lwm2m", "rpc", "bridge"),
    "gateway": (ROOT, "gateway", "rpc", "bridge", "prompt"),
    "features": (ROOT, "feature", "features", "egress", "api", "rpc", "drivers", "db", "events"),
    "registry": (ROOT, "feature", "features"),
    "registry_policies": (ROOT, "feature", "registry", "api.policy"),
    "conf": (ROOT, "feature", "conf"),
    "graphql": (ROOT, "feature", "features", "api", "rpc.client"),
    "sdk": ("sdk", "missing", "audit_chain", "audit_segment"),
    "cli": ("cli", "sdk", "missing"),
    "dashboard": ("dashboard",),
    "cmd": ("*",),
}
"""Layer of ``iotronic_mec`` to what of ``iotronic_mec`` it may import."""

TYPES_FOR = {f"{CLOUD}.feature": ("api", "rpc", "drivers", "db")}
"""``feature.py`` names, for the type checker only, what features are handed."""

PROTOCOL = f"{BOARD}.protocol"
PROTOCOL_USERS = ("wamp", "lwm2m", "gateway", "features", "rpc", "egress", "prompt", "cmd")

LOG_LINES = f"{PROTOCOL}.log_lines"
LOG_USERS = (*PROTOCOL_USERS, "api", "bridge", "conf", "db", "events", ROOT)
"""Layers that say in their log lines who asked: the one module of the protocol for them."""

BOARD_LAYERS: Mapping[str, Sequence[str]] = {
    "protocol": ("protocol",),
    "errors": ("protocol",),
    "clock": (),
    "missing": ("errors",),
    "waiting": (),
    "owner": ("errors", "protocol"),
    "conf": ("errors", "owner", "protocol", "state"),
    "state": ("state", "protocol", "errors", "clock"),
    "camera": ("camera", "errors", "clock", "missing"),
    "inference": ("inference", "errors", "clock", "missing"),
    "sandbox": ("sandbox", "errors", "clock", "missing"),
    "supervisor": (
        "supervisor",
        "sandbox",
        "camera",
        "inference",
        "errors",
        "clock",
        "missing",
        "protocol.log_lines",
    ),
    "modules": (
        "modules",
        "supervisor.client",
        "state",
        "owner",
        "protocol",
        "errors",
        "clock",
        "waiting",
    ),
    "session": (
        "session",
        "modules",
        "state",
        "conf",
        "owner",
        "protocol",
        "errors",
        "clock",
        "missing",
        "waiting",
    ),
    "cmd": ("*",),
    "__main__": ("cmd",),
}
"""Layer of ``lightning_agent`` to what of ``lightning_agent`` it may import."""

BOARD_EXCEPTIONS: Mapping[str, Sequence[str]] = {
    # the adapter to the supervisor's socket speaks its frames
    f"{BOARD}.modules.link": ("supervisor.frames", "supervisor.restore"),
    # the doctor has the supervisor try a sandbox; it runs where no reactor does
    f"{BOARD}.session.doctor": ("supervisor.client",),
    # what a plugin sees of cameras and models, inside the sandbox
    f"{BOARD}.sandbox.api": ("camera.base", "inference"),
}

LIBRARIES: Mapping[str, Sequence[str]] = {
    "sqlalchemy": ("db/*", "events/*", "features/*/table.py", "features/*/store.py"),
    "alembic": ("db/migrate.py",),
    "pecan": ("api/*", "features/*/api.py"),
    "webob": ("api/*", "features/*/api.py"),
    "oslo_messaging": ("rpc/*",),
    "oslo_service": ("rpc/transport.py",),
    "waitress": ("cmd/api.py", "cmd/metrics.py"),
    "prometheus_client": ("cmd/metrics.py",),
    "oslo_config": ("conf/*", "cmd/*", "api/policy.py"),
    "oslo_policy": ("api/policy.py", "cmd/*", "registry_policies.py"),
    "pydantic": ("api/*", "features/*/schema.py"),
    "twisted": (
        "bridge/*",
        "wamp/*",
        "gateway/*",
        "lwm2m/*",
        "cmd/standalone.py",
        "cmd/children.py",
        "cmd/local_board.py",
        "cmd/front.py",
        "cmd/local_board.py",
        "cmd/wamp_agent.py",
        "cmd/direct_reactor.py",
        "cmd/reactor.py",
        "cmd/gateway.py",
        "cmd/scrape.py",
        "cmd/lwm2m.py",
    ),
    "autobahn": ("wamp/*", "gateway/*"),
    "txaio": ("wamp/*", "gateway/*"),
    "crossbar": (),
    "eventlet": (),
    "aiocoap": ("lwm2m/*",),
    "stevedore": ("drivers/load.py",),
    # the service's side of Keystone is one file and its options
    "keystoneauth1": ("sdk/*", "cli/*", "api/keystone.py"),
    "keystonemiddleware": ("api/keystone.py", "conf/keystone.py"),
    "osc_lib": ("cli/*",),
    "cliff": ("cli/*",),
    "openstackclient": ("cli/*",),
}
"""Library to the files of ``iotronic_mec`` that may load it."""

BOARD_LIBRARIES: Mapping[str, Sequence[str]] = {
    "twisted": ("cmd.py", "waiting.py", "session/*", "modules/*", "state/*"),
    "autobahn": ("cmd.py", "session/*"),
    "numpy": ("camera/*", "inference/*"),
    "PIL": ("camera/*",),
    "tflite_runtime": ("inference/tflite.py",),
    "ai_edge_litert": ("inference/tflite.py",),
    "eventlet": (),
}
"""Library to the files of ``lightning_agent`` that may load it."""

LIGHT_ENTRIES: Mapping[str, frozenset[str]] = {
    f"{BOARD}.supervisor": frozenset({"msgpack"}),
    f"{BOARD}.sandbox.child": frozenset(),
    PROTOCOL: frozenset(),
    BOARD: frozenset(),
    CLOUD: frozenset(),
}
"""What a process or a package may load of other people's libraries, itself or
through what it imports."""

NO_REACTOR = (f"{CLOUD}.cmd.core", f"{CLOUD}.cmd.api", f"{CLOUD}.cmd.conductor", f"{CLOUD}.cmd.db")
"""Processes of threads."""


def layers_point_down(project: Project) -> Iterator[str]:
    """Find imports within a package against the order of its layers."""
    yield from against(project, CLOUD, CLOUD_LAYERS, TYPES_FOR)
    yield from against(project, BOARD, BOARD_LAYERS, BOARD_EXCEPTIONS)


def against(
    project: Project,
    package: str,
    layers: Mapping[str, Sequence[str]],
    exceptions: Mapping[str, Sequence[str]],
) -> Iterator[str]:
    """Find one package's imports that its table of layers does not allow."""
    for module in inside(project, package):
        if module.name == package:
            continue
        layer = layer_of(module, package, layers)
        if layer is None:
            yield module.at(1, "this package has no row in the table of layers")
            continue
        allowed = [*layers[layer], *exceptions.get(module.name, ())]
        for target, entry in project.edges(module):
            if not within(target, package) or target == package:
                continue
            if not is_allowed(project.modules[target], package, allowed, layers):
                yield module.at(entry.line, f"{layer} imports {target}")


def layer_of(module: Module, package: str, layers: Mapping[str, Sequence[str]]) -> str | None:
    """Return the row of the table for a module; ``None`` when there is none."""
    parts = module.name.removeprefix(f"{package}.").split(".")
    if parts[0] in layers:
        return parts[0]
    is_single_file = len(parts) == 1 and not module.is_package
    return ROOT if ROOT in layers and is_single_file else None


def is_allowed(
    target: Module, package: str, allowed: Sequence[str], layers: Mapping[str, Sequence[str]]
) -> bool:
    """Say whether one of the allowed names covers a module."""
    relative = target.name.removeprefix(f"{package}.")
    return (
        "*" in allowed
        or any(within(relative, name) for name in allowed)
        or (ROOT in allowed and layer_of(target, package, layers) == ROOT)
    )


def only_the_protocol_is_shared(project: Project) -> Iterator[str]:
    """Find imports from one package into the other, beyond the protocol."""
    for module in inside(project, BOARD):
        for entry in module.imports:
            if within(entry.target, CLOUD):
                yield module.at(entry.line, f"the board's side imports {entry.target}")
    for module in inside(project, CLOUD):
        layer = layer_of(module, CLOUD, CLOUD_LAYERS)
        for entry in module.imports:
            logs = layer in LOG_USERS and within(entry.target, LOG_LINES)
            speaks = layer in PROTOCOL_USERS and within(entry.target, PROTOCOL)
            if within(entry.target, BOARD) and not (speaks or logs):
                yield module.at(entry.line, f"{module.name} imports {entry.target}")


def libraries_stay_in_their_files(project: Project) -> Iterator[str]:
    """Find libraries loaded outside the files that wrap them."""
    for package, table in ((CLOUD, LIBRARIES), (BOARD, BOARD_LIBRARIES)):
        for module in inside(project, package):
            path = module.path.removeprefix(f"{package}/")
            for entry in module.imports:
                library = entry.target.partition(".")[0]
                if library not in table or entry.type_only:
                    continue
                if not any(fnmatch(path, pattern) for pattern in table[library]):
                    yield module.at(entry.line, f"imports {library}")


def light_processes_stay_light(project: Project) -> Iterator[str]:
    """Find what a light process or package loads, itself or by what it imports."""
    for package, allowed in LIGHT_ENTRIES.items():
        whole = package in (PROTOCOL, f"{BOARD}.supervisor")
        start = [
            name
            for name in project.modules
            if name == package or (whole and within(name, package))
        ]
        for module, entry in loaded_by(project, start):
            library = entry.target.partition(".")[0]
            if library in sys.stdlib_module_names or library in allowed:
                continue
            yield module.at(entry.line, f"{package} loads {entry.target}")
    for name in (PROTOCOL, BOARD, CLOUD):
        module = project.modules.get(name)
        for entry in module.imports if module else ():
            if entry.target != "__future__.annotations":
                yield project.modules[name].at(entry.line, f"{name} imports {entry.target}")


def threads_load_no_reactor(project: Project) -> Iterator[str]:
    """Find a reactor in the processes of threads, by whatever way."""
    start = [name for name in NO_REACTOR if name in project.modules]
    for module, entry in loaded_by(project, start):
        if entry.target.partition(".")[0] in ("twisted", "autobahn"):
            yield module.at(entry.line, f"{', '.join(start)} loads {entry.target}")


def loaded_by(project: Project, start: Sequence[str]) -> Iterator[tuple[Module, Import]]:
    """Yield the libraries loaded when modules of ours are imported.

    Imports inside functions and for the type checker do not count.
    """
    waiting, seen = list(start), set(start)
    while waiting:
        module = project.modules[waiting.pop()]
        for entry in module.imports:
            if entry.deferred or entry.type_only:
                continue
            target = project.internal(entry.target)
            if target is None:
                yield module, entry
                continue
            parts = target.split(".")
            for end in range(1, len(parts) + 1):
                name = ".".join(parts[:end])
                if name in project.modules and name not in seen:
                    seen.add(name)
                    waiting.append(name)


def no_cycles(project: Project) -> Iterator[str]:
    """Find rings of modules, and rings of neighbours in any folder."""
    graph: dict[str, set[str]] = {name: set() for name in project.modules}
    for module in project.modules.values():
        for target, entry in project.edges(module):
            if not entry.type_only:
                graph[module.name].add(target)
    for ring in rings(graph):
        yield f"modules in a ring: {', '.join(ring)}"
    for package in [m.name for m in project.modules.values() if m.is_package]:
        for ring in rings(neighbours(graph, package)):
            yield f"{package} has neighbours in a ring: {', '.join(ring)}"


def neighbours(graph: Mapping[str, set[str]], package: str) -> dict[str, set[str]]:
    """Return the graph of a folder's direct children.

    The folder's own ``__init__`` is left out: what it gathers is its children.
    """
    depth = package.count(".") + 2
    children: dict[str, set[str]] = {}
    for name, imported in graph.items():
        if name.startswith(f"{package}."):
            source = ".".join(name.split(".")[:depth])
            reached = {
                ".".join(t.split(".")[:depth]) for t in imported if t.startswith(f"{package}.")
            }
            children.setdefault(source, set()).update(reached - {source})
    return children


def rings(graph: Mapping[str, set[str]]) -> Iterator[list[str]]:
    """Yield the groups of more than one node that all reach one another."""
    reached = {node: reachable(graph, node) for node in graph}
    seen: set[str] = set()
    for node in sorted(graph):
        ring = {other for other in reached[node] if node in reached.get(other, ())}
        if len(ring) > 1 and node not in seen:
            seen |= ring
            yield sorted(ring)


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return the nodes that can be reached from one, itself only by a ring."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        for other in graph.get(waiting.pop(), ()):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def inside(project: Project, package: str) -> Iterator[Module]:
    """Yield the modules of one of the two packages."""
    return (m for m in project.modules.values() if within(m.name, package))


def within(name: str, package: str) -> bool:
    """Say whether a dotted name is a package or lies in it."""
    return name == package or name.startswith(f"{package}.")

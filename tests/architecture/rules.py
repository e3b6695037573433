"""The rules by name, each with the sentence that is printed when it is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.architecture import folders, imports, shape
from tests.architecture.sources import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the architecture.

    :param sentence: what holds
    :param find: yields what breaks it, as ``path:line: what``
    """

    sentence: str
    find: Callable[[Project], Iterator[str]]


RULES = {
    "layers": Rule(
        sentence=(
            "Imports point down only: api, db, rpc, wamp, gateway and drivers import neither"
            " features nor the registry nor one another, except that api may use rpc.client, and"
            " wamp and gateway may use rpc and bridge; on the board cmd → session → modules →"
            " (supervisor.client, state) and supervisor → (sandbox, camera, inference)."
        ),
        find=imports.layers_point_down,
    ),
    "shared": Rule(
        sentence=(
            "Cloud and board share lightning_agent.protocol and nothing else, and the board's"
            " side imports nothing of the cloud."
        ),
        find=imports.only_the_protocol_is_shared,
    ),
    "libraries": Rule(
        sentence=(
            "A library is loaded only in the files that wrap it (tests/architecture/imports.py,"
            " LIBRARIES): SQLAlchemy in db, events, table.py and store.py; Pecan in api; Twisted"
            " in bridge, wamp, gateway and the cmd of processes with a reactor; eventlet"
            " nowhere."
        ),
        find=imports.libraries_stay_in_their_files,
    ),
    "light": Rule(
        sentence=(
            "The protocol and both packages' __init__ load the standard library only, so does the"
            " sandbox's child; the supervisor adds msgpack."
        ),
        find=imports.light_processes_stay_light,
    ),
    "reactor": Rule(
        sentence="The API and the conductor never load a reactor.",
        find=imports.threads_load_no_reactor,
    ),
    "cycles": Rule(
        sentence="No modules import one another in a ring, and no neighbours in a folder do.",
        find=imports.no_cycles,
    ),
    "feature": Rule(
        sentence=(
            "Inside a feature api → schema, policy, store and commands → store → table; all may"
            " use model, never the reverse, and api never imports commands."
        ),
        find=folders.inside_a_feature,
    ),
    "features": Rule(
        sentence=(
            "A feature imports only features earlier in registry.FEATURES, and of these only"
            " store, commands, model, states and table."
        ),
        find=folders.between_features,
    ),
    "files": Rule(
        sentence=(
            "A feature's files are named model, table, store, commands, schema, policy, api,"
            " states, periodic and reports, and its __init__ builds FEATURE."
        ),
        find=folders.fixed_file_names,
    ),
    "heaps": Rule(
        sentence="A file is named after a noun: no utils, helpers, common, misc, nothing_2.",
        find=folders.no_heaps,
    ),
    "migrations": Rule(
        sentence="alembic/ has no __init__.py and is never imported.",
        find=folders.migrations_keep_their_place,
    ),
    "size": Rule(
        sentence="A file has at most 400 lines, a function at most 60.",
        find=shape.files_are_short,
    ),
    "deferred": Rule(
        sentence=(
            "No import inside a function, except of an optional dependency with a comment that"
            " names the extra."
        ),
        find=shape.imports_stand_on_top,
    ),
    "excepts": Rule(
        sentence=(
            "'except Exception' stands only at the outer rims of HTTP, RPC, WAMP and threads"
            " (tests/architecture/shape.py, RIMS)."
        ),
        find=shape.broad_excepts_at_the_rims,
    ),
    "untyped": Rule(
        sentence="'type: ignore' names its error, and both it and Any are bounded in number.",
        find=shape.little_is_untyped,
    ),
    "annotations": Rule(
        sentence="Every file with code starts with 'from __future__ import annotations'.",
        find=shape.annotations_are_lazy,
    ),
    "docstrings": Rule(
        sentence="Every public module, class and function has a docstring.",
        find=shape.public_things_say_what_they_are,
    ),
}

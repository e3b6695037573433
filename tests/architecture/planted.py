"""A small tree that keeps every rule, and changes that each break one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.architecture.sources import Project, load


def source(*imports: str, body: str = "") -> str:
    """Return a file with a docstring, the imports, and a body."""
    return "\n".join(['"""A noun."""', "from __future__ import annotations", *imports, body, ""])


def package() -> str:
    """Return a package's ``__init__`` without imports."""
    return '"""A package."""\n'


BROAD_EXCEPT = "try:\n    pass\nexcept Exception:\n    pass"

FEATURE_FILES = {
    "__init__.py": source(
        "from iotronic_mec.feature import Feature",
        "from iotronic_mec.features.{noun} import api, commands, policy",
        body="FEATURE = Feature()",
    ),
    "model.py": source("from iotronic_mec.errors import Error"),
    "table.py": source("import sqlalchemy", "from iotronic_mec.db import base"),
    "store.py": source(
        "import sqlalchemy", "from iotronic_mec.features.{noun} import model, table"
    ),
    "commands.py": source(
        "from iotronic_mec.features.{noun} import store", "from iotronic_mec.rpc import expose"
    ),
    "schema.py": source("import pydantic", "from iotronic_mec.features.{noun} import model"),
    "policy.py": source("from iotronic_mec.feature import Feature"),
    "api.py": source(
        "from iotronic_mec.api import app",
        "from iotronic_mec.features.{noun} import schema, policy, store",
    ),
}


def feature(noun: str) -> dict[str, str]:
    """Return the files of a feature that keeps the rules."""
    folder = f"iotronic_mec/features/{noun}/"
    return {
        folder + name: text.replace("{noun}", noun.replace("/", "."))
        for name, text in FEATURE_FILES.items()
    }


CLEAN: Mapping[str, str] = {
    "alembic/env.py": source("from alembic import context"),
    "iotronic_mec/__init__.py": source(body='__version__ = "0"'),
    "iotronic_mec/errors.py": source(body='class Error(Exception):\n    """Any of ours."""'),
    "iotronic_mec/frames.py": source("import msgpack"),
    "iotronic_mec/bridge/__init__.py": package(),
    "iotronic_mec/bridge/local.py": source(
        "from twisted.internet import defer", body=BROAD_EXCEPT
    ),
    "iotronic_mec/feature.py": source(
        "from typing import TYPE_CHECKING",
        "if TYPE_CHECKING:",
        "    from iotronic_mec.db import base",
        body='class Feature:\n    """One noun."""',
    ),
    "iotronic_mec/registry.py": source(
        "from iotronic_mec.features import board, fleet",
        "from iotronic_mec.features.mec import service",
        body="FEATURES = (board.FEATURE, fleet.FEATURE, service.FEATURE)",
    ),
    "iotronic_mec/api/__init__.py": package(),
    "iotronic_mec/api/app.py": source("import pecan", "from iotronic_mec.rpc import client"),
    "iotronic_mec/db/__init__.py": package(),
    "iotronic_mec/db/base.py": source("import sqlalchemy", "from iotronic_mec import errors"),
    "iotronic_mec/rpc/__init__.py": package(),
    "iotronic_mec/rpc/client.py": source("import oslo_messaging"),
    "iotronic_mec/rpc/expose.py": source(),
    "iotronic_mec/rpc/server.py": source("from iotronic_mec.rpc import expose"),
    "iotronic_mec/drivers/__init__.py": package(),
    "iotronic_mec/drivers/load.py": source("import stevedore"),
    "iotronic_mec/wamp/__init__.py": package(),
    "iotronic_mec/wamp/session.py": source(
        "import autobahn",
        "from iotronic_mec.bridge import local",
        "from lightning_agent.protocol import names",
    ),
    "iotronic_mec/features/__init__.py": package(),
    **feature("board"),
    **feature("fleet"),
    "iotronic_mec/features/fleet/commands.py": source(
        "from iotronic_mec.features.board import store"
    ),
    "iotronic_mec/features/mec/__init__.py": package(),
    **feature("mec/service"),
    "iotronic_mec/cmd/__init__.py": package(),
    "iotronic_mec/cmd/core.py": source("from iotronic_mec import registry"),
    "iotronic_mec/cmd/standalone.py": source(
        "from twisted.internet import reactor", "from iotronic_mec.wamp import session"
    ),
    "iotronic_mec/cli/__init__.py": package(),
    "iotronic_mec/cli/plugin.py": source("import cliff", "from iotronic_mec import sdk"),
    "iotronic_mec/sdk/__init__.py": package(),
    "lightning_agent/__init__.py": package(),
    "lightning_agent/errors.py": source(),
    "lightning_agent/cmd.py": source("from lightning_agent.session import dispatch"),
    "lightning_agent/protocol/__init__.py": package(),
    "lightning_agent/protocol/names.py": source("import re"),
    "lightning_agent/session/__init__.py": package(),
    "lightning_agent/session/dispatch.py": source(
        "import twisted", "from lightning_agent.modules import link"
    ),
    "lightning_agent/modules/__init__.py": package(),
    "lightning_agent/modules/link.py": source(
        "import twisted", "from lightning_agent.supervisor import frames"
    ),
    "lightning_agent/supervisor/__init__.py": package(),
    "lightning_agent/supervisor/frames.py": source("import msgpack"),
    "lightning_agent/supervisor/client.py": source(),
    "lightning_agent/supervisor/server.py": source("from lightning_agent.sandbox import runner"),
    "lightning_agent/sandbox/__init__.py": package(),
    "lightning_agent/sandbox/runner.py": source("from lightning_agent import errors"),
    "lightning_agent/sandbox/child.py": source("import json"),
    "lightning_agent/sandbox/api.py": source(),
    "lightning_agent/camera/__init__.py": package(),
    "lightning_agent/camera/file.py": source(
        body='def load() -> None:\n    """Load."""\n    import numpy  # extra: camera'
    ),
}
"""Path to text of a tree that keeps every rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A change to the clean tree that breaks one rule.

    :param finding: what the rule's report must contain
    :param files: path to text, replacing or adding
    """

    rule: str
    finding: str
    files: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.rule}: {self.finding}"


def breaks(rule: str, path: str, text: str, finding: str | None = None) -> Violation:
    """Return a violation that is one file, found in that file."""
    return Violation(rule=rule, finding=finding or path, files={path: text})


def imports_of(rule: str, path: str, *statements: str) -> Violation:
    """Return a violation that is one file with the wrong imports."""
    return breaks(rule, path, source(*statements))


CLOUD = "iotronic_mec/"
BOARD = "lightning_agent/"
BOARD_FEATURE = "iotronic_mec/features/board/"

VIOLATIONS = (
    # section 6, rule 1: machinery knows no feature
    imports_of("layers", f"{CLOUD}api/app.py", "from iotronic_mec.features import board"),
    imports_of("layers", f"{CLOUD}rpc/server.py", "from iotronic_mec import registry"),
    imports_of("layers", f"{CLOUD}wamp/session.py", "import iotronic_mec.features.board.store"),
    imports_of("layers", f"{CLOUD}errors.py", "from iotronic_mec.db import base"),
    imports_of("layers", f"{CLOUD}cli/plugin.py", "from iotronic_mec.api import app"),
    # rule 2: parts of the machinery do not know one another
    imports_of("layers", f"{CLOUD}api/app.py", "from iotronic_mec.rpc import server"),
    imports_of("layers", f"{CLOUD}api/app.py", "from iotronic_mec.db import base"),
    imports_of("layers", f"{CLOUD}db/base.py", "from ..rpc import expose"),
    imports_of("layers", f"{CLOUD}drivers/load.py", "from iotronic_mec.wamp import session"),
    imports_of("layers", f"{CLOUD}soup/__init__.py"),
    # rule 3: inside a feature
    imports_of(
        "feature", f"{BOARD_FEATURE}model.py", "from iotronic_mec.features.board import store"
    ),
    imports_of(
        "feature", f"{BOARD_FEATURE}api.py", "from iotronic_mec.features.board import commands"
    ),
    imports_of("feature", f"{BOARD_FEATURE}store.py", "from . import commands"),
    imports_of("feature", f"{BOARD_FEATURE}commands.py", "from iotronic_mec.api import app"),
    imports_of("feature", f"{BOARD_FEATURE}model.py", "from iotronic_mec.db import base"),
    # rule 4: between features
    imports_of(
        "features", f"{BOARD_FEATURE}commands.py", "from iotronic_mec.features.fleet import store"
    ),
    imports_of(
        "features",
        "iotronic_mec/features/fleet/api.py",
        "from iotronic_mec.features.board import schema",
    ),
    breaks("features", f"{CLOUD}features/stray/model.py", source(), "FEATURES lacks stray"),
    # rule 5: libraries
    imports_of("libraries", f"{BOARD_FEATURE}commands.py", "from sqlalchemy import select"),
    imports_of("libraries", f"{CLOUD}rpc/server.py", "from twisted.internet import defer"),
    imports_of("libraries", f"{CLOUD}cmd/core.py", "import twisted"),
    imports_of("libraries", f"{CLOUD}db/base.py", "import alembic.command"),
    imports_of("libraries", f"{CLOUD}api/app.py", "import oslo_messaging"),
    imports_of("libraries", f"{BOARD_FEATURE}store.py", "import pecan"),
    imports_of("libraries", f"{CLOUD}wamp/session.py", "import eventlet"),
    imports_of("libraries", f"{BOARD}supervisor/server.py", "import twisted"),
    imports_of("libraries", f"{BOARD}camera/file.py", "from twisted.internet import threads"),
    Violation(
        rule="reactor",
        finding="iotronic_mec.cmd.core loads twisted",
        files={f"{CLOUD}cmd/core.py": source("from iotronic_mec.wamp import session")},
    ),
    # rule 6: the board's side
    imports_of("layers", f"{BOARD}modules/link.py", "from lightning_agent.sandbox import runner"),
    imports_of(
        "layers", f"{BOARD}session/dispatch.py", "from lightning_agent.sandbox import runner"
    ),
    imports_of(
        "layers", f"{BOARD}sandbox/runner.py", "from lightning_agent.supervisor import client"
    ),
    imports_of("shared", f"{BOARD}errors.py", "from iotronic_mec import errors"),
    imports_of("shared", f"{CLOUD}wamp/session.py", "from lightning_agent import errors"),
    imports_of("shared", f"{CLOUD}db/base.py", "from lightning_agent.protocol import names"),
    imports_of("light", f"{BOARD}protocol/names.py", "import msgpack"),
    imports_of("light", f"{BOARD}sandbox/child.py", "import numpy"),
    imports_of("light", f"{BOARD}supervisor/server.py", "import numpy"),
    imports_of("light", f"{BOARD}__init__.py", "from lightning_agent import cmd"),
    # rule 7: imports inside functions
    breaks(
        "deferred",
        f"{CLOUD}errors.py",
        source(body='def load() -> None:\n    """Load."""\n    import json'),
    ),
    # cycles of modules, and of folders without one of modules
    Violation(
        rule="cycles",
        finding="iotronic_mec.rpc.expose, iotronic_mec.rpc.server",
        files={f"{CLOUD}rpc/expose.py": source("from iotronic_mec.rpc import server")},
    ),
    Violation(
        rule="cycles",
        finding="neighbours in a ring: iotronic_mec.db, iotronic_mec.rpc",
        files={
            f"{CLOUD}db/base.py": source("from iotronic_mec.rpc import client"),
            f"{CLOUD}rpc/server.py": source("from iotronic_mec.db import base"),
        },
    ),
    # sizes and names
    breaks("size", f"{CLOUD}errors.py", source(body="\n" * 400)),
    breaks(
        "size",
        f"{CLOUD}errors.py",
        source(body="def run() -> None:\n" + "    pass\n" * 60),
        "run has 61 lines",
    ),
    breaks("files", f"{BOARD_FEATURE}service.py", source()),
    breaks("files", f"{CLOUD}features/board.py", source()),
    breaks("files", f"{BOARD_FEATURE}__init__.py", package()),
    breaks("heaps", f"{CLOUD}db/utils.py", source()),
    breaks("heaps", f"{BOARD}helpers/__init__.py", package()),
    breaks("heaps", f"{CLOUD}db/session_2.py", source()),
    # section 7
    breaks("migrations", "alembic/versions/__init__.py", ""),
    imports_of("migrations", f"{CLOUD}db/base.py", "import iotronic_mec.migrations"),
    # the rules of style the architecture test keeps
    breaks("excepts", f"{CLOUD}errors.py", source(body=BROAD_EXCEPT)),
    breaks("excepts", f"{CLOUD}bridge/local.py", source(body=f"{BROAD_EXCEPT}\n{BROAD_EXCEPT}")),
    breaks("excepts", f"{CLOUD}errors.py", source(body="try:\n    pass\nexcept:\n    pass")),
    breaks("untyped", f"{CLOUD}errors.py", source(body="x = 1  # type: ignore")),
    breaks("untyped", f"{CLOUD}errors.py", source(body="x = 1  # type: ignore[a]\n" * 51)),
    breaks("untyped", f"{CLOUD}errors.py", source(body="x: Any\n" * 99), "times Any"),
    breaks("annotations", f"{CLOUD}errors.py", '"""A noun."""\nimport json\n'),
    breaks("docstrings", f"{CLOUD}errors.py", "import json\n"),
    breaks("docstrings", f"{CLOUD}errors.py", source(body="def run() -> None: ..."), "run has no"),
)
"""At least one for each rule; the comments give the part of the architecture."""


def plant(root: Path, files: Mapping[str, str]) -> Project:
    """Write a tree below a folder and read it."""
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return load(root)

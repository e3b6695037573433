"""A cloud of blobs and plugins in one process, asked over HTTP."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from webob import Request

from iotronic_mec.api.app import Application, build
from iotronic_mec.api.auth import Credentials, Identity
from iotronic_mec.api.policy import Policies
from iotronic_mec.context import Context
from iotronic_mec.errors import Unauthenticated
from iotronic_mec.features import blob as blobs
from iotronic_mec.features import plugin as plugins
from iotronic_mec.features.blob.commands import BlobCommands
from iotronic_mec.features.blob.table import blob, blob_reservation, blob_use
from iotronic_mec.features.plugin.commands import PluginCommands
from iotronic_mec.features.plugin.model import PluginInUse
from iotronic_mec.features.plugin.table import plugin as plugin_table
from iotronic_mec.rpc.expose import expose
from iotronic_mec.rpc.server import Dispatcher
from tests.fakes import transports
from tests.fakes.boards import FakeBoards
from tests.fakes.conductor import PROJECT, USER, FakeConductor, conductor

FEATURES = (blobs.FEATURE, plugins.FEATURE)
TABLES = [blob, blob_use, blob_reservation, plugin_table]
CODE = "def main(context, rate):\n    return rate\n"
BASE_URL = "http://control.test:1288"
QUOTA_BYTES = 20_000
MAX_BUNDLE_BYTES = 100_000


class ByToken:
    """Takes the token for what it says: ``<project> <role>``."""

    challenge = "Basic"

    def authenticate(self, credentials: Credentials) -> Identity:
        """Return the identity the token spells out."""
        project, _, role = credentials.token.partition(" ")
        if not role:
            raise Unauthenticated()
        return Identity(user=USER, user_name="someone", project=project, roles=(role,))


class NoGrants:
    """Nobody has lent anything."""

    namespace = "grant"

    @expose
    def use(self, context: Context, **_asked: str) -> bool:
        """Say no."""
        del context
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCloud:
    """The application and what stands behind it; ``injected`` may not be deleted."""

    application: Application
    fake: FakeConductor
    injected: set[str] = field(default_factory=set)

    def ask(
        self,
        method: str,
        path: str,
        sends: Any = None,
        *,
        project: str = PROJECT,
        role: str = "member",
        **given: Any,
    ) -> Any:
        """Send a request, with a JSON body if there is one; return WebOb's response."""
        request = Request.blank(path, base_url=BASE_URL, method=method, **given)
        request.headers["X-Auth-Token"] = f"{project} {role}"
        if sends is not None:
            request.content_type = "application/json"
            request.body = json.dumps(sends).encode()
        return request.get_response(self.application)

    def create(self, name: str, *, project: str = PROJECT, **values: Any) -> dict[str, Any]:
        """Create a plugin that must be accepted."""
        answer = self.ask(
            "POST", "/v1/plugins", {"name": name, "code": CODE, **values}, project=project
        )
        assert answer.status_int == 201, answer.text
        return dict(answer.json)

    def upload(self, path: str = "/v1/plugins", method: str = "POST", **parts: Any) -> Any:
        """Send a multipart form; a part that is a pair is a file."""
        return self.ask(
            method,
            path,
            body=form(parts),
            content_type="multipart/form-data; boundary=part",
        )


@contextmanager
def plugin_cloud(folder: Path) -> Iterator[PluginCloud]:
    """Make the cloud, with small limits."""
    injected: set[str] = set()

    def veto(_connection: Any, uuid: str) -> None:
        if uuid in injected:
            raise PluginInUse()

    vetoes = {"plugin": (veto,)}
    with (
        conductor(folder, TABLES, quota_bytes=QUOTA_BYTES, may_delete=vetoes) as fake,
        transports.BUS.wire(FakeBoards()) as wire,
    ):
        settings = replace(fake.parts.settings, max_bundle_bytes=MAX_BUNDLE_BYTES)
        parts = replace(fake.parts, settings=settings)
        commands = [BlobCommands(parts, {}), PluginCommands(parts, {}), NoGrants()]
        application = build(
            features=FEATURES,
            settings=settings,
            conductor=wire.serve(Dispatcher(commands)),
            database=parts.database,
            storage=parts.storage,
            clock=parts.clock,
            authenticator=ByToken(),
            enforcer=Policies(FEATURES, parts.clock),
        )
        yield PluginCloud(application=application, fake=fake, injected=injected)


def form(parts: dict[str, Any]) -> bytes:
    """Return the body of a multipart form with the boundary ``part``."""
    pieces = []
    for name, value in parts.items():
        head = f'Content-Disposition: form-data; name="{name}"'
        if isinstance(value, tuple):
            head += f'; filename="{value[0]}"\r\nContent-Type: application/octet-stream'
            value = value[1]
        content = value if isinstance(value, bytes) else str(value).encode()
        pieces.append(b"--part\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n")
    return b"".join(pieces) + b"--part--\r\n"


def archive(**files: bytes) -> bytes:
    """Return a zip; a dot in a name is written as two underscores."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name.replace("__", "."), content)
    return file.getvalue()


def fault(answer: Any) -> str:
    """Return the sentence of an error, as upstream's client digs it out."""
    return str(json.loads(answer.json["error_message"])["faultstring"])

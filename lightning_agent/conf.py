"""The board owner's settings: the state directory and ``agent.toml`` in it.

The owner's file, with every key the agent itself reads::

    [cloud]
    url = "wss://cloud.example:8443/ws"   # written by `lightning-agent enrol`
    realm = "iotronic"
    ca = "/etc/ssl/my-ca.pem"             # absent: the system's authorities
    code = "…"                            # enrols at the first `run`, then removed

    [agent]
    concurrency = 32      # operations carried out at the same time, 1..1000
    log_level = "info"    # debug, info, warning or error
    log_format = "text"   # or "json": one object a line
    modules = ["package.module:Class"]    # further modules, see lightning_agent.modules.base

    [sandbox]
    landlock = "auto"     # or "off": tenants' code is confined without it, as on kernels without

    [device]              # what the cloud's users may do with the board: lightning_agent.owner
    allow = ["network", "restart", "rest", "reset"]

Other tables belong to other parts (``[camera.<name>]`` to the supervisor) and
are left alone. Nothing here can be changed while the agent runs. Blocking; any
thread.
"""

from __future__ import annotations

import contextlib
import os
import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lightning_agent.errors import Error
from lightning_agent.owner import Owner, read_owner
from lightning_agent.protocol import names
from lightning_agent.protocol.log_lines import FORMATS, LEVELS
from lightning_agent.state.files import make_private_directory, write_atomic

FILE_NAME = "agent.toml"
"""The owner's file, in the state directory."""

LANDLOCK = ("auto", "off")
"""Values of ``landlock``: where the kernel has it, or never."""

MAX_CONCURRENCY = 1000
"""Upper bound of ``concurrency``."""

_CLOUD_TABLE = re.compile(
    r"^[ \t]*\[cloud\][^\n]*\n?(?:(?![ \t]*\[)[^\n]*(?:\n|\Z))*", re.MULTILINE
)


class ConfRefused(Error):
    """A setting that is missing or wrong; the message names file, key and cure."""

    code = "conf_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudConf:
    """Where the cloud is; ``None`` means that the file does not say."""

    url: str | None = None
    realm: str = names.REALM
    ca: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """All settings of one agent."""

    state_dir: Path
    cloud: CloudConf = CloudConf()
    concurrency: int = 32
    log_level: str = "info"
    log_format: str = "text"
    modules: tuple[str, ...] = ()
    landlock: str = "auto"
    owner: Owner = field(default_factory=Owner)


def default_state_dir() -> Path:
    """Return the state directory of whoever runs this: root's or the user's own."""
    if os.geteuid() == 0:
        return Path("/var/lib/lightning-agent")
    return Path.home() / ".local" / "state" / "lightning-agent"


def load(state_dir: Path) -> Conf:
    """Make the state directory if need be (0700) and read the owner's file in it.

    The path is made absolute: other processes are told of files in it.

    :raises ConfRefused: the directory cannot be made or the file is wrong
    """
    state_dir = state_dir.absolute()
    try:
        make_private_directory(state_dir)
    except OSError as error:
        raise ConfRefused(
            f"the state directory {state_dir} cannot be used: {error.strerror}; "
            "choose another one with --state-dir"
        ) from error
    path = state_dir / FILE_NAME
    tables = _read(path)
    cloud = _table(tables, "cloud", path)
    agent = _table(tables, "agent", path)
    sandbox = _table(tables, "sandbox", path)
    return Conf(
        state_dir=state_dir,
        cloud=CloudConf(
            url=check_url(cloud["url"], path) if "url" in cloud else None,
            realm=_text(cloud, "realm", path) or names.REALM,
            ca=_text(cloud, "ca", path),
            code=_text(cloud, "code", path),
        ),
        concurrency=_concurrency(agent, path),
        log_level=_word(agent, "log_level", "info", LEVELS, path),
        log_format=_word(agent, "log_format", "text", FORMATS, path),
        modules=_modules(agent, path),
        landlock=_word(sandbox, "landlock", "auto", LANDLOCK, path),
        owner=_owner(_table(tables, "device", path), path),
    )


def write_cloud(state_dir: Path, cloud: CloudConf) -> None:
    """Replace the table ``[cloud]`` of the owner's file; everything else stays.

    The code is never written: it is used up by then.
    """
    path = state_dir / FILE_NAME
    text = ""
    with contextlib.suppress(FileNotFoundError):
        text = _CLOUD_TABLE.sub("", path.read_text(encoding="utf-8")).rstrip()
    lines = [f'realm = "{cloud.realm}"']
    if cloud.url:
        lines.insert(0, f'url = "{cloud.url}"')
    if cloud.ca:
        lines.append(f'ca = "{cloud.ca}"')
    text = (text + "\n\n" if text else "") + "[cloud]\n" + "\n".join(lines) + "\n"
    tomllib.loads(text)
    write_atomic(path, text.encode())


def check_url(url: object, where: object = "the URL") -> str:
    """Return the URL if it is a WebSocket's, e.g. ``ws://127.0.0.1:8443/ws``.

    :raises ConfRefused: it is not
    """
    if not isinstance(url, str) or '"' in url or "\\" in url or not url.isprintable():
        raise ConfRefused(f"{where}: the cloud's URL must be a plain text")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfRefused(f"{where}: {error}") from error
    if parts.scheme not in ("ws", "wss") or not parts.hostname or port == 0 or parts.username:
        raise ConfRefused(
            f"{where}: {url[:200]!r} is no WebSocket address; "
            "it looks like wss://cloud.example:8443/ws"
        )
    return url


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfRefused(f"{path}: {error}") from error


def _table(tables: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise ConfRefused(f"{path}: [{name}] must be a table")
    return table


def _text(table: dict[str, Any], key: str, path: Path) -> str | None:
    value = table.get(key)
    if value is not None and (not isinstance(value, str) or not value.isprintable()):
        raise ConfRefused(f"{path}: {key} must be a text on one line")
    return value


def _concurrency(agent: dict[str, Any], path: Path) -> int:
    value = agent.get("concurrency", 32)
    if type(value) is not int or not 1 <= value <= MAX_CONCURRENCY:
        raise ConfRefused(f"{path}: concurrency must be a whole number 1..{MAX_CONCURRENCY}")
    return value


def _word(
    agent: dict[str, Any], key: str, default: str, words: tuple[str, ...], path: Path
) -> str:
    value = agent.get(key, default)
    if value not in words:
        raise ConfRefused(f"{path}: {key} must be one of {', '.join(words)}")
    return str(value)


def _owner(table: dict[str, Any], path: Path) -> Owner:
    try:
        return read_owner(table)
    except ValueError as error:
        raise ConfRefused(f"{path}: {error}") from error


def _modules(agent: dict[str, Any], path: Path) -> tuple[str, ...]:
    value = agent.get("modules", [])
    if not isinstance(value, list) or not all(isinstance(place, str) for place in value):
        raise ConfRefused(f"{path}: modules must be a list of texts")
    return tuple(value)

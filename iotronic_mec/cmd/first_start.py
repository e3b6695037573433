"""What the first start makes: an administrator, and the files to log in with.

The files are written inside the transaction that makes the administrator, just
before its commit. A crash in between leaves files whose password nobody has;
the next start finds no user, makes one and writes them anew. The other way
round there would be an administrator whose password nobody ever saw.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from iotronic_mec.context import Context
from iotronic_mec.feature import Settings

CLOUD = "iotronic"
"""Name of the cloud in ``clouds.yaml``."""


def ensure_administrator(identity: Any, settings: Settings, context: Context) -> bool:
    """Make the administrator where there is no user; say whether it was made.

    Writes ``clouds.yaml`` and ``openrc``, mode 0600, into the state directory.
    """

    def keep(made: dict[str, Any]) -> None:
        folder = settings.state_dir
        write_private(folder / "clouds.yaml", clouds_yaml(settings, made))
        write_private(folder / "openrc", openrc(settings, made))

    return identity.first_start(context, keep=keep) is not None


def clouds_yaml(settings: Settings, made: dict[str, Any]) -> str:
    """Return the client configuration; JSON strings are YAML strings."""
    text = json.dumps
    return (
        "clouds:\n"
        f"  {CLOUD}:\n"
        "    auth_type: http_basic\n"
        "    auth:\n"
        f"      endpoint: {text(settings.public_url)}\n"
        f"      username: {text(made['user'])}\n"
        f"      password: {text(made['password'])}\n"
        f"    iot_endpoint_override: {text(settings.public_url)}\n"
    )


def openrc(settings: Settings, made: dict[str, Any]) -> str:
    """Return the shell file; upstream's client needs the last two lines."""
    return (
        f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(settings.state_dir / 'clouds.yaml'))}\n"
        f"export OS_CLOUD={CLOUD}\n"
        f"export OS_AUTH_TOKEN={shlex.quote(made['token'])}\n"
        f"export IOTRONIC_URL={shlex.quote(settings.public_url)}\n"
    )


def write_private(path: Path, text: str) -> None:
    """Write a file whole and durably, readable by its owner only."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    held = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(held)
    finally:
        os.close(held)

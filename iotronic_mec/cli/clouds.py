"""Reading ``clouds.yaml``, in the places and with the keys OpenStack has.

Source: openstacksdk, user guide, configuration. Only what a client of one
service needs, since importing openstacksdk takes longer than most commands:
no profiles, no regions; whoever uses those has ``openstack iot``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from iotronic_mec.cli.exits import UsageError

FOLDERS = (Path(), Path("~/.config/openstack"), Path("/etc/openstack"))
"""Where the files are looked for, in this order."""


def read_cloud(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return a cloud's settings, with its secrets from ``secure.yaml``.

    :raises UsageError: no file, not readable, or no such cloud in it
    """
    path = _find("clouds", environ.get("OS_CLIENT_CONFIG_FILE"))
    if path is None:
        raise UsageError(
            f"cloud {name!r}: there is no clouds.yaml; name it with OS_CLIENT_CONFIG_FILE, "
            "or 'source DIR/openrc' of a standalone cloud"
        )
    clouds = _clouds(path)
    if name not in clouds:
        known = ", ".join(sorted(clouds)) or "none"
        raise UsageError(f"cloud {name!r} is not in {path}; there are: {known}")
    cloud = clouds[name]
    if cloud.get("profile"):
        raise UsageError(f"cloud {name!r} uses a profile; use 'openstack iot' with it")
    secrets = _find("secure", environ.get("OS_CLIENT_SECURE_FILE"))
    return _merge(cloud, _clouds(secrets).get(name, {})) if secrets else cloud


def only_cloud(environ: Mapping[str, str]) -> str | None:
    """Return the name of the one cloud there is; ``None`` for none or several."""
    path = _find("clouds", environ.get("OS_CLIENT_CONFIG_FILE"))
    names = list(_clouds(path)) if path else []
    return names[0] if len(names) == 1 else None


def _find(stem: str, named: str | None) -> Path | None:
    if named:
        return Path(named).expanduser()
    places = (
        folder.expanduser() / f"{stem}{suffix}"
        for folder in FOLDERS
        for suffix in (".yaml", ".yml")
    )
    return next((place for place in places if place.is_file()), None)


def _clouds(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not YAML: {error}") from error
    clouds = content.get("clouds") if isinstance(content, dict) else None
    if not isinstance(clouds, dict):
        raise UsageError(f"{path}: has no 'clouds'")
    return {str(name): cloud for name, cloud in clouds.items() if isinstance(cloud, dict)}


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = (
            _merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
        )
    return merged

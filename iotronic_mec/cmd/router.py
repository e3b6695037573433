"""The router's configuration, written from one function, and its command.

``python -m iotronic_mec.cmd.router`` prints the sample of ``etc/crossbar``.

Rules it follows, each tried: the outside roles have dynamic authorizers and never
static permissions; authenticators are called in role ``trusted``; cryptosign also
guards the private socket, which the router makes with mode 0666; times are
milliseconds. Source: the Crossbar.io documentation, node configuration.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from iotronic_mec.cmd.state_dir import StateDir
from lightning_agent.protocol import names

AUTHID = "wamp-agent"
"""The wamp agent's name on the private socket."""

MAX_MESSAGE_BYTES = 16_777_216
"""Largest message the router takes, bytes; our own bound is 1 MiB."""

PING_MS = 10_000
"""Interval of pings, and how long an answer may take, milliseconds."""

OPEN_HANDSHAKE_MS = 5_000
"""How long a connection may take to become a WebSocket, milliseconds."""

MAX_CONNECTIONS = 20_000
"""Most connections at the public transport; a connection that never says hello
but answers pings would stay for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """What differs between routers.

    ``public_key`` is the wamp agent's, 64 hexadecimal digits; ``certificate``
    and ``key`` are both ``None`` for a listener without TLS.
    """

    public_key: str
    host: str = "127.0.0.1"
    port: int = 8443
    certificate: Path | None = None
    key: Path | None = None


def configuration(settings: RouterSettings) -> dict[str, Any]:
    """Return the router's configuration as Crossbar reads it."""
    everything = {"call": True, "register": True, "publish": True, "subscribe": True}
    return {
        "version": 2,
        "controller": {},
        "workers": [
            {
                "type": "router",
                "id": "router1",
                "options": {},
                "realms": [
                    {
                        "name": names.REALM,
                        "roles": [
                            {
                                "name": names.ROLE_SERVICE,
                                "permissions": [
                                    {
                                        "uri": "",
                                        "match": "prefix",
                                        "cache": True,
                                        "allow": everything,
                                        "disclose": {"caller": True, "publisher": True},
                                    }
                                ],
                            },
                            {"name": names.ROLE_ENROL, "authorizer": names.AUTHORIZE_ENROL},
                            {"name": names.ROLE_BOARD, "authorizer": names.AUTHORIZE_BOARD},
                        ],
                    }
                ],
                "transports": [_private(settings), _public(settings)],
            }
        ],
    }


def write(state_dir: StateDir, settings: RouterSettings) -> Path:
    """Write the configuration and remove what a killed router left behind.

    :returns: the file
    """
    path = state_dir.crossbar / "config.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(configuration(settings), indent=1) + "\n")
    fresh.chmod(0o600)
    fresh.replace(path)
    clear_stale(state_dir)
    return path


def clear_stale(state_dir: StateDir) -> None:
    """Remove the pid file and socket of a router that was killed."""
    for name in ("node.pid", "private.sock"):
        (state_dir.crossbar / name).unlink(missing_ok=True)


def command(state_dir: StateDir) -> list[str]:
    """Return the command that starts the router in the foreground."""
    beside = Path(sys.executable).with_name("crossbar")
    program = [str(beside)] if os.access(beside, os.X_OK) else [sys.executable, "-m", "crossbar"]
    folder = str(state_dir.crossbar)
    return [*program, "start", "--cbdir", folder, "--loglevel", "warn", "--color", "false"]


def public_key(seed: bytes) -> str:
    """Return the public half of an Ed25519 seed, 64 hexadecimal digits."""
    return bytes(SigningKey(seed).verify_key).hex()


def _private(settings: RouterSettings) -> dict[str, Any]:
    return {
        "id": "private",
        "type": "rawsocket",
        "endpoint": {"type": "unix", "path": "private.sock"},
        "serializers": ["msgpack"],
        "options": {"max_message_size": MAX_MESSAGE_BYTES},
        "auth": {
            "cryptosign": {
                "type": "static",
                "principals": {
                    AUTHID: {
                        "realm": names.REALM,
                        "role": names.ROLE_SERVICE,
                        "authorized_keys": [settings.public_key],
                    }
                },
            }
        },
    }


def _public(settings: RouterSettings) -> dict[str, Any]:
    endpoint: dict[str, Any] = {
        "type": "tcp",
        "interface": settings.host,
        "port": settings.port,
        "backlog": 1024,
    }
    if settings.certificate and settings.key:
        endpoint["tls"] = {
            "certificate": str(settings.certificate),
            "key": str(settings.key),
        }
    return {
        "id": "public",
        "type": "web",
        "endpoint": endpoint,
        "max_connections": MAX_CONNECTIONS,
        "paths": {
            "/": {"type": "json", "value": {}},
            "ws": {
                "type": "websocket",
                "serializers": ["msgpack", "cbor"],
                "options": {
                    "auto_ping_interval": PING_MS,
                    "auto_ping_timeout": PING_MS,
                    "auto_ping_size": 12,
                    "open_handshake_timeout": OPEN_HANDSHAKE_MS,
                    "max_message_size": MAX_MESSAGE_BYTES,
                    "max_frame_size": MAX_MESSAGE_BYTES,
                    "fail_by_drop": True,
                    "tcp_nodelay": True,
                    "show_server_version": False,
                },
                "auth": {
                    "ticket": _dynamic(names.AUTH_TICKET),
                    "cryptosign": _dynamic(names.AUTH_BOARD),
                },
            },
        },
    }


def _dynamic(procedure: str) -> dict[str, str]:
    # realm and role both: what is left out is taken from the client's hello; the
    # router has a built-in session of role "trusted", and of no other
    return {
        "type": "dynamic",
        "authenticator": procedure,
        "authenticator-realm": names.REALM,
        "authenticator-role": "trusted",
    }


if __name__ == "__main__":
    sample = configuration(RouterSettings(public_key="<64 hex digits>"))
    sys.stdout.write(json.dumps(sample, indent=1) + "\n")

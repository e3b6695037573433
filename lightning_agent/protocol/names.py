"""Realm, procedure and topic names, and the functions that build them.

Every WAMP URI of the project is written here and nowhere else.
"""

from __future__ import annotations

import re

REALM = "iotronic"
"""The realm boards and the cloud meet in."""

BOARD_PREFIX = "iotronic.board."
CLOUD_PREFIX = "iotronic.cloud."
AUTH_PREFIX = "iotronic.auth."

ENROL = CLOUD_PREFIX + "enrol"
JOIN = CLOUD_PREFIX + "join"
REPORT = CLOUD_PREFIX + "report"
OPERATIONS = CLOUD_PREFIX + "operations"
RESULTS = CLOUD_PREFIX + "results"
LEASES = CLOUD_PREFIX + "leases"

REPORTS = frozenset({JOIN, REPORT, OPERATIONS, RESULTS, LEASES})
"""What an enrolled board may call in the cloud."""

AUTH_TICKET = AUTH_PREFIX + "ticket"
AUTH_BOARD = AUTH_PREFIX + "board"
AUTHORIZE_ENROL = AUTH_PREFIX + "authorize_enrol"
AUTHORIZE_BOARD = AUTH_PREFIX + "authorize_board"

ROLE_SERVICE = "service"
ROLE_ENROL = "enrol"
ROLE_BOARD = "board"

CODE_AUTHID = "code"
"""The authid an agent offers with its code; the cloud answers ``code:<row>``."""

DEVICE_PING = "device.ping"
DEVICE_ECHO = "device.echo"
DEVICE_NETWORK = "device.network"
DEVICE_REBOOT = "device.reboot"
DEVICE_RESTART = "device.restart"
PACKAGE_RUN = "package.run"
PACKAGE_UPGRADE = "package.upgrade"
REST_SUBMIT = "rest.submit"
RESET_FACTORY = "reset.factory"
PLUGIN_INJECT = "plugin.inject"
PLUGIN_REMOVE = "plugin.remove"
PLUGIN_CALL = "plugin.call"
PLUGIN_START = "plugin.start"
PLUGIN_STOP = "plugin.stop"
PLUGIN_STATUS = "plugin.status"
PLUGIN_REBOOT = "plugin.reboot"
PLUGIN_LOGS = "plugin.logs"
PLUGIN_FOLLOW = "plugin.follow"
"""The lines of a plugin's log after one: asked for often, so nothing is written down."""

PLUGIN_END = "plugin.end"
AGENT_STATE = "agent.state"
AGENT_PING = "agent.ping"
"""``{"say": text}`` comes back as it is: no order, so nothing is written down."""


PROCEDURES = frozenset(
    {
        DEVICE_PING,
        DEVICE_ECHO,
        DEVICE_NETWORK,
        DEVICE_REBOOT,
        DEVICE_RESTART,
        PACKAGE_RUN,
        PACKAGE_UPGRADE,
        REST_SUBMIT,
        RESET_FACTORY,
        PLUGIN_INJECT,
        PLUGIN_REMOVE,
        PLUGIN_CALL,
        PLUGIN_START,
        PLUGIN_STOP,
        PLUGIN_STATUS,
        PLUGIN_REBOOT,
        PLUGIN_LOGS,
        PLUGIN_FOLLOW,
        PLUGIN_END,
        AGENT_STATE,
        AGENT_PING,
    }
)
"""What a board answers below its prefix: ``<module>.<procedure>``."""

LEASE_EXPIRED = "lease_expired"
"""Cause of the end of a plugin whose lease was over."""

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A lower-case uuid; the only form that may enter a URI, a path or a file name."""

CODE = re.compile(r"[A-Za-z0-9._~-]{8,36}")
"""An enrolment code: 8 to 36 characters that need no quoting anywhere."""

DIGEST = re.compile(r"[0-9a-f]{64}")
"""A SHA-256 in lower-case hexadecimal digits."""


def board_prefix(board_uuid: str) -> str:
    """Return the prefix a board registers, with its trailing dot.

    :raises ValueError: when it is no lower-case uuid
    """
    if UUID.fullmatch(board_uuid) is None:
        raise ValueError(f"not a lower-case uuid: {board_uuid[:64]!r}")
    return f"{BOARD_PREFIX}{board_uuid}."


def board_procedure(board_uuid: str, procedure: str) -> str:
    """Return the full URI of one procedure of one board.

    :raises ValueError: when the uuid or the procedure is not known
    """
    if procedure not in PROCEDURES:
        raise ValueError(f"no such board procedure: {procedure[:64]!r}")
    return board_prefix(board_uuid) + procedure


def board_of_registration(uri: str) -> str | None:
    """Return the board whose prefix registration this URI is, else ``None``."""
    board_uuid = uri.removeprefix(BOARD_PREFIX).removesuffix(".")
    if uri == f"{BOARD_PREFIX}{board_uuid}." and UUID.fullmatch(board_uuid):
        return board_uuid
    return None

"""Every call and report between cloud and board, as frozen dataclasses.

``to_wire`` gives the one dictionary that travels as the single positional
argument (or result) of a WAMP call; ``from_wire`` checks every field and its
bounds and raises :class:`~lightning_agent.protocol.errors.BadMessage` that
names the field. Unknown keys are ignored, so that either side may be newer.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lightning_agent.protocol import names
from lightning_agent.protocol.errors import BadMessage

MAX_MESSAGE_BYTES = 1_048_576
"""Largest encoded message either side sends, bytes. Chosen here: the router
closes the sender's session at 16 MiB, and time grows faster than size."""

MAX_TEXT = 65_536
"""Longest text field, characters."""

MAX_ITEMS = 10_000
"""Most entries of a list field."""

MAX_INTEGER = 2**31
"""Integer fields (sizes, pids, versions) are below this, and never negative."""

_UUID_FIELDS = frozenset({"board", "operation", "request", "plugin"})
_DIGEST_FIELDS = frozenset({"digest"})
_HEAD = re.compile(r"[0-9]{1,18}:[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-f]{64}")


class Message:
    """What all messages share: conversion to and from the wire."""

    __slots__ = ()

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready dictionary that travels."""
        return {
            item.name: _plain(getattr(self, item.name))
            for item in dataclasses.fields(self)  # type: ignore[arg-type]
        }

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Check a received dictionary and build the message.

        :raises BadMessage: names the field that is missing or out of bounds
        """
        if not isinstance(wire, Mapping):
            raise BadMessage(f"{cls.__name__}: a dictionary is expected")
        values = {}
        hints = _hints(cls)
        for item in dataclasses.fields(cls):  # type: ignore[arg-type]
            if item.name in wire:
                where = f"{cls.__name__}.{item.name}"
                values[item.name] = _checked(wire[item.name], hints[item.name], where, item.name)
            elif (
                item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
            ):
                raise BadMessage(f"{cls.__name__}.{item.name}: the field is missing")
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrol(Message):
    """First contact: the board's own public key (64 hexadecimal digits, Ed25519)."""

    public_key: str
    protocol: int
    agent_version: str = ""
    hostname: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled(Message):
    """Answer to :class:`Enrol`: who the board is from now on.

    ``lease_key``: the cloud's public key for leases, Ed25519, 64 hexadecimal digits.
    """

    board: str
    name: str
    project: str
    lease_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginActual(Message):
    """What the board really holds of one plugin; ``pid`` is ``None`` unless it runs."""

    plugin: str
    digest: str
    pid: int | None = None
    started_at: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Message):
    """First report of a session: what the board is and holds.

    ``audit_head``: the newest head of the cloud's audit the board was ever told.
    """

    protocol: int
    agent_version: str
    level: str = "refuse"
    capabilities: dict[str, Any] = field(default_factory=dict)
    connectivity: dict[str, Any] = field(default_factory=dict)
    plugins: list[PluginActual] = field(default_factory=list)
    audit_head: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginDesired(Message):
    """One plugin the cloud wants on the board, and where to fetch its bundle.

    ``format`` is ``py`` or ``zip``; ``size`` in bytes; ``url`` is absolute and
    ``token`` opens this one digest; ``running`` says whether it should run.
    ``lease``: a compact JWS with which it may run until then, ``None`` for as long
    as it is wanted.
    """

    plugin: str
    name: str
    digest: str
    size: int
    format: str
    callable: bool
    onboot: bool
    url: str
    token: str
    running: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    lease: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Message):
    """Answer to :class:`Join`: the desired state.

    ``retry_window_s``: the first retry after a loss is uniform in 0…this.
    ``heartbeat_s``: seconds between reports of unconfirmed operations.
    ``audit_head``: the present end of the cloud's audit, ``<sequence>:<sha256>``.
    """

    board: str
    name: str
    retry_window_s: float
    heartbeat_s: float
    plugins: list[PluginDesired] = field(default_factory=list)
    audit_head: str | None = None
    lease_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLease(Message):
    """A lease, a compact JWS, for one plugin."""

    plugin: str
    lease: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseList(Message):
    """Plugins whose leases the board wants renewed."""

    leased: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseAnswer(Message):
    """Answer to :class:`LeaseList`; what is not in it must end now.

    ``audit_head``: as in :class:`Joined`.
    """

    leases: list[PluginLease] = field(default_factory=list)
    audit_head: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report(Message):
    """What changed since the last report: plugins that started or ended."""

    plugins: list[PluginActual] = field(default_factory=list)
    capabilities: dict[str, Any] | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationCall(Message):
    """One order to a board; the board carries out an operation at most once.

    ``remaining_s``: seconds until the caller stops waiting, > 0.
    ``parameters``: by action, see the board's modules.
    """

    operation: str
    request: str
    action: str
    project: str
    user: str
    remaining_s: float
    parameters: dict[str, Any] = field(default_factory=dict)


STATES = ("running", "succeeded", "failed", "timed_out", "cancelled", "rejected")
"""What a board may say of an operation; ``running`` is the only one not final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationAnswer(Message):
    """How an operation ended on the board.

    ``message``: any JSON value, the result or a sentence.
    ``cause``: ``{"code", "message", …}`` when it did not succeed.
    Times are ISO 8601 in UTC by the board's clock.
    """

    operation: str
    state: str
    message: Any = None
    cause: dict[str, Any] | None = None
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationList(Message):
    """Operations the board carried out and the cloud has not confirmed yet."""

    operations: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationVerdict(Message):
    """Which of them the cloud has recorded as ended, and which it wants whole."""

    known: list[str]
    wanted: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord(Message):
    """A journal entry: the order and how it ended, enough to record both anew."""

    call: OperationCall
    answer: OperationAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Results(Message):
    """Journal entries the cloud asked for; answered by :class:`OperationVerdict`."""

    records: list[OperationRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState(Message):
    """Answer to ``agent.state``: the same as at the join, asked for by the cloud."""

    join: Join
    unconfirmed: list[str] = field(default_factory=list)


MESSAGES: tuple[type[Message], ...] = (
    Enrol,
    Enrolled,
    PluginActual,
    Join,
    PluginDesired,
    Joined,
    PluginLease,
    LeaseList,
    LeaseAnswer,
    Report,
    OperationCall,
    OperationAnswer,
    OperationList,
    OperationVerdict,
    OperationRecord,
    Results,
    AgentState,
)
"""All of them; the fingerprint test walks this."""

_HINTS: dict[type[Message], dict[str, Any]] = {}


def _hints(cls: type[Message]) -> dict[str, Any]:
    found = _HINTS.get(cls)
    if found is None:
        found = _HINTS[cls] = typing.get_type_hints(cls)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_wire()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _checked(value: Any, hint: Any, where: str, name: str) -> Any:
    """Return the value as the hint wants it, or raise :class:`BadMessage`."""
    if hint is Any:
        return value
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
        return _checked(value, hint, where, name)
    if origin is list:
        return _checked_list(value, typing.get_args(hint)[0], where, name)
    if origin is dict:
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise BadMessage(f"{where}: a dictionary with text keys is expected")
        return value
    if isinstance(hint, type) and issubclass(hint, Message):
        return hint.from_wire(value)
    return _checked_scalar(value, hint, where, name)


def _checked_list(value: Any, hint: Any, where: str, name: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise BadMessage(f"{where}: a list is expected")
    if len(value) > MAX_ITEMS:
        raise BadMessage(f"{where}: more than {MAX_ITEMS} entries")
    # entries of a list of uuids are called by the list's name in the singular
    single = name.removesuffix("s") if hint is str else name
    if hint is str and name in ("known", "wanted", "unconfirmed", "leased"):
        single = "operation"
    return [_checked(item, hint, f"{where}[{at}]", single) for at, item in enumerate(value)]


def _checked_scalar(value: Any, hint: Any, where: str, name: str) -> Any:
    if hint is int and type(value) is int and not 0 <= value < MAX_INTEGER:
        raise BadMessage(f"{where}: out of the range 0 to {MAX_INTEGER - 1}")
    if hint is float and type(value) is int and abs(value) < MAX_INTEGER:
        value = float(value)
    if type(value) is not hint:
        raise BadMessage(f"{where}: {hint.__name__} is expected, not {type(value).__name__}")
    if hint is str:
        _check_text(value, where, name)
    if hint is float and not 0 <= value < 1e9:
        raise BadMessage(f"{where}: out of the range 0 to 1e9")
    return value


def _check_text(value: str, where: str, name: str) -> None:
    if len(value) > MAX_TEXT:
        raise BadMessage(f"{where}: longer than {MAX_TEXT} characters")
    if name in _UUID_FIELDS and names.UUID.fullmatch(value) is None:
        raise BadMessage(f"{where}: not a lower-case uuid")
    if name in _DIGEST_FIELDS and names.DIGEST.fullmatch(value) is None:
        raise BadMessage(f"{where}: not a SHA-256 in hexadecimal digits")
    if name == "audit_head" and _HEAD.fullmatch(value) is None:
        raise BadMessage(f"{where}: not <sequence>:<sha256>")
    if name in ("public_key", "lease_key") and _KEY.fullmatch(value) is None:
        raise BadMessage(f"{where}: not 64 hexadecimal digits")
    if name == "state" and value not in STATES:
        raise BadMessage(f"{where}: not one of {', '.join(STATES)}")

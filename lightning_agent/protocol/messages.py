"""Every call and report between cloud and board, as frozen dataclasses.

``to_wire`` gives the one dictionary that travels as the single positional
argument (or result) of a WAMP call; ``from_wire`` checks every field and its
bounds and raises :class:`~lightning_agent.protocol.errors.BadMessage` that
names the field. Unknown keys are ignored, so that either side may be newer.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from lightning_agent.protocol.checks import Check, check_of
from lightning_agent.protocol.errors import BadMessage

MAX_MESSAGE_BYTES = 1_048_576
"""Largest encoded message either side sends, bytes. Chosen here: the router
closes the sender's session at 16 MiB, and time grows faster than size."""

_ABSENT = object()


class Message:
    """What all messages share: conversion to and from the wire."""

    __slots__ = ()

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON-ready dictionary that travels."""
        return {name: _plain(getattr(self, name)) for name, _, _, _ in _fields(type(self))}

    @classmethod
    def from_wire(cls, wire: object) -> Self:
        """Check a received dictionary and build the message.

        :raises BadMessage: names the field that is missing or out of bounds
        """
        if not isinstance(wire, Mapping):
            raise BadMessage(f"{cls.__name__}: a dictionary is expected")
        values = {}
        for name, where, check, needed in _fields(cls):
            value = wire.get(name, _ABSENT)
            if value is not _ABSENT:
                values[name] = check(value, where)
            elif needed:
                raise BadMessage(f"{where}: the field is missing")
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
    ``request_id``: what the cloud's log calls the HTTP request; for the board's log only.
    """

    operation: str
    request: str
    action: str
    project: str
    user: str
    remaining_s: float
    parameters: dict[str, Any] = field(default_factory=dict)
    request_id: str = ""


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


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return value.to_wire()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


_FIELDS: dict[type[Message], tuple[tuple[str, str, Check, bool], ...]] = {}


def _fields(cls: type[Message]) -> tuple[tuple[str, str, Check, bool], ...]:
    """Return a class's fields: name, what they are called in errors, check, whether needed."""
    found = _FIELDS.get(cls)
    if found is None:
        hints = typing.get_type_hints(cls)
        found = _FIELDS[cls] = tuple(
            (
                item.name,
                f"{cls.__name__}.{item.name}",
                check_of(hints[item.name], item.name),
                item.default is dataclasses.MISSING
                and item.default_factory is dataclasses.MISSING,
            )
            for item in dataclasses.fields(cls)  # type: ignore[arg-type]
        )
    return found

"""What a feature hands to the machinery: routes, policies, commands, tables' work.

A feature is one folder of :mod:`iotronic_mec.features`; its ``__init__`` builds
one :class:`Feature`. :mod:`iotronic_mec.registry` lists them all, and nothing is
found by scanning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from iotronic_mec.background import Background
from iotronic_mec.counted import NO_QUOTA, NO_RATE, Counted, QuotaKeeper, Rate
from iotronic_mec.ids import new_uuid
from iotronic_mec.lent import Lent, Place

if TYPE_CHECKING:
    from pydantic import BaseModel

    from iotronic_mec.api.controller import Call
    from iotronic_mec.clock import Clock
    from iotronic_mec.context import Context
    from iotronic_mec.db.session import Database
    from iotronic_mec.drivers.ledger.base import Ledger
    from iotronic_mec.drivers.outside import Outside
    from iotronic_mec.drivers.storage.base import Storage
    from iotronic_mec.rpc.boards import Boards

PUBLIC = "public"
"""The policy of a route anyone may call, without credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One right, with what it protects.

    :param name: ``iot:<noun>:<verb>``
    :param check: an oslo.policy check string
    :param operations: the routes, as ``("GET", "/v1/boards")``
    """

    name: str
    check: str
    description: str
    operations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method on one path.

    :param path: with parameters in braces: ``/v1/boards/{board}``
    :param handler: called with the :class:`~iotronic_mec.api.controller.Call`
    :param policy: name of the right, or :data:`PUBLIC`
    :param body: pydantic model of the JSON body, ``None`` for no body
    :param query: pydantic model of the query, ``None`` for no arguments
    :param answer: pydantic model that documents the answer, ``None`` for none
    :param status: status of success
    :param errors: statuses besides the ones every route may give
    :param multipart: whether ``multipart/form-data`` is accepted beside JSON
    """

    method: str
    path: str
    handler: Callable[[Call], Any]
    policy: str
    summary: str
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    errors: tuple[int, ...] = ()
    multipart: bool = False
    other_answers: Mapping[int, type[BaseModel] | None] = field(default_factory=dict)
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Periodic:
    """Work the conductor repeats.

    :param every_s: seconds between the end of one run and the next, > 0
    :param run: called with the parts and all commands by namespace
    :param at_start: also once before the conductor answers its first call
    """

    name: str
    every_s: float
    run: Callable[[Parts, Mapping[str, Any]], None]
    at_start: bool = False


class AuditWriter(Protocol):
    """Writes one audit row inside the caller's transaction."""

    def __call__(
        self,
        connection: Any,
        context: Context,
        action: str,
        target_kind: str,
        target: str,
        *,
        outcome: str = "success",
        reason: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Append to the chain; the row is durable with the transaction."""


class EventWriter(Protocol):
    """Writes one event inside the caller's transaction."""

    def __call__(
        self, connection: Any, project: str, topic: str, subject: str, body: Mapping[str, Any]
    ) -> None:
        """Append to the outbox; the relay hands it to the consumers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachSettings:
    """How boards are reached from outside; see ``conf/reach.py``.

    :param ports: first and last public port
    :param vif_ports: first and last port of virtual interfaces' links
    :param address: host of the public ports
    :param zones: DNS zones tenants may take names in; none for any
    """

    tunnel_driver: str = "fake"
    dns_driver: str = "fake"
    proxy_driver: str = "fake"
    network_driver: str = "fake"
    ports: tuple[int, int] = (50_000, 59_999)
    vif_ports: tuple[int, int] = (10_000, 20_000)
    address: str = "127.0.0.1"
    zones: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lendable:
    """A kind of things that grants can be about.

    :param find: called with (connection, uuid); ``None`` when there is none
    :param resolve: called with (connection, project, uuid or name, whether any
        project's counts); raises the kind's NotFound
    """

    find: Callable[[Any, str], Place | None]
    resolve: Callable[[Any, str, str, bool], Place]


class Access(Protocol):
    """Decides whether a caller may do something to another project's thing.

    The one place that does: own things never get here, administrators neither.
    """

    def find(
        self, connection: Any, context: Context, kind: str, uuid: str, action: str, missing: Any
    ) -> Lent | None:
        """Return what lets the operation pass, ``None`` when nothing does.

        Nothing is counted yet. A refusal by a grant that is about this thing is
        in the audit.

        :param missing: the error that is answered for a thing there is not
        """

    def standing(
        self,
        connection: Any,
        leaf: Any,
        kind: str,
        place: Place | None,
        action: str | None,
        *,
        counting: bool = True,
    ) -> str:
        """Return how a grant stands to an operation: ``live``, or why it does not pass.

        :param counting: whether one that is used up does not pass
        """

    def charge(
        self, connection: Any, context: Context, lent: Lent, request: str | None = None
    ) -> None:
        """Check it again, count it and put it in the audit, in the caller's transaction.

        :param request: uuid of the order it is for
        :raises NotFound: ``lent.missing``: it does not pass any more
        """

    def still_passes(self, connection: Any, request: str, board: str) -> bool:
        """Say whether all grants an order was counted for let it pass at this moment.

        An order under no grant passes.

        :param request: uuid of the order
        :param board: of an order to many boards, the one that is meant
        """


class NoAccess:
    """Nothing is lent."""

    def find(
        self, connection: Any, context: Context, kind: str, uuid: str, action: str, missing: Any
    ) -> Lent | None:
        """Let nothing pass."""
        return None

    def standing(
        self,
        connection: Any,
        leaf: Any,
        kind: str,
        place: Place | None,
        action: str | None,
        *,
        counting: bool = True,
    ) -> str:
        """Say that nothing is lent."""
        return "dead"

    def charge(
        self, connection: Any, context: Context, lent: Lent, request: str | None = None
    ) -> None:
        """Let nothing pass."""
        raise lent.missing

    def still_passes(self, connection: Any, request: str, board: str) -> bool:
        """Say that nothing was lent for it."""
        return True


NO_ACCESS = NoAccess()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Addresses and limits the commands need; read from the configuration once."""

    state_dir: Path
    public_url: str
    content_url: str
    wamp_url: str
    max_bundle_bytes: int = 33_554_432
    project_quota_bytes: int = 1_073_741_824
    board_call_timeout_s: float = 50.0
    retry_boards_per_s: float = 100.0
    heartbeat_s: float = 30.0
    max_limit: int = 1000
    event_retention_s: float = 86_400.0
    request_retention_s: float = 2_592_000.0
    location_retention_days: int = 365
    grant_use_retention_days: int = 365
    token_retention_days: int = 30
    max_token_life_s: float = 0.0
    trust_proxy_headers: bool = False
    policy_file: Path | None = None
    storage_driver: str = "filesystem"
    storage_path: Path | None = None
    config_files: tuple[Path, ...] = ()
    ledger_driver: str = "none"
    ledger_path: str = "audit-heads.log"
    audit_head_interval_s: float = 60.0
    audit_retention_days: int = 0
    egress_networks: tuple[str, ...] = ()
    reach: ReachSettings = ReachSettings()
    auth_strategy: str = "embedded"
    quotas: Mapping[str, int] = field(default_factory=dict)
    project_rate: Rate = NO_RATE
    user_rate: Rate = NO_RATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What commands and periodic work are built from; made once in ``cmd``."""

    database: Database
    boards: Boards
    clock: Clock
    settings: Settings
    storage: Storage
    secret: bytes
    audit: AuditWriter
    emit: EventWriter
    ledger: Ledger | None = None
    quota: QuotaKeeper = NO_QUOTA
    access: Access = NO_ACCESS
    lendable: Mapping[str, Lendable] = field(default_factory=dict)
    lent_actions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    on_grant_end: tuple[Callable[[Parts, Any, list[str]], None], ...] = ()
    on_lease_end: Mapping[str, Callable[[Parts, Any, str, str, bool], None]] = field(
        default_factory=dict
    )
    on_renew: tuple[Callable[[Parts, Any, str, list[str]], Mapping[str, str]], ...] = ()
    on_finished: Mapping[str, Callable[[Parts, Any, Any], None]] = field(default_factory=dict)
    transient: Mapping[str, Callable[[Parts, Any, Any], dict[str, Any]]] = field(
        default_factory=dict
    )
    may_delete: Mapping[str, tuple[Callable[[Any, str], None], ...]] = field(default_factory=dict)
    on_delete: Mapping[str, tuple[Callable[[Parts, Any, str], None], ...]] = field(
        default_factory=dict
    )
    actions: frozenset[str] = frozenset()
    on_join: tuple[Callable[[Parts, Any, str, Any], list[dict[str, Any]]], ...] = ()
    on_report: tuple[Callable[[Parts, Any, str, Any], None], ...] = ()
    outside: Outside | None = None
    background: Background = field(default_factory=Background)
    process: str = field(default_factory=new_uuid)
    """This process's life: another one after each start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consumer:
    """Something that reacts to events, at least once and in order per subject.

    :param topics: the topics it wants
    :param handle: called with the parts and one event as a dictionary
    """

    name: str
    topics: frozenset[str]
    handle: Callable[[Parts, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One noun of the domain.

    :param commands: called with the parts and the commands made so far (by
        namespace, those of earlier features); returns the RPC endpoint
    :param on_finished: action to the hook called with (parts, connection,
        operation) in the transaction that ends an operation of that action
    :param transient: action to a function called with (parts, connection,
        operation) just before it is sent; returns parameters that are not
        stored, such as tokens
    :param may_delete: noun (``"plugin"``) to a veto called with (connection,
        uuid) in the transaction that deletes one; it raises Conflict
    :param on_delete: noun to what is done besides, called with (parts,
        connection, uuid) in the transaction that deletes one, before its row goes
    :param actions: the actions this feature orders boards to do
    :param quotas: what is counted, project by project; its commands call
        ``parts.quota.check`` in the transaction that makes one more
    :param lendable: kind to what grants need to know of it
    :param lent_actions: kind to the words of what can be lent, each with a sentence
    :param on_grant_end: called with (parts, connection, uuids) in the transaction
        that revokes grants
    :param on_lease_end: kind to what ends a thing of it, called with (parts,
        connection, board, uuid, whether its autostart ends too)
    :param on_renew: called with (parts, connection, board, plugins); returns new
        leases by plugin
    :param on_join: called with (parts, connection, board, join message) in the
        transaction that notes a join; returns the plugins desired there
    :param on_report: called with (parts, connection, board, report message)
    """

    name: str
    routes: tuple[Route, ...] = ()
    policies: tuple[Policy, ...] = ()
    commands: Callable[[Parts, Mapping[str, Any]], Any] | None = None
    periodics: tuple[Periodic, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    on_finished: Mapping[str, Callable[[Parts, Any, Any], None]] = field(default_factory=dict)
    transient: Mapping[str, Callable[[Parts, Any, Any], dict[str, Any]]] = field(
        default_factory=dict
    )
    may_delete: Mapping[str, Callable[[Any, str], None]] = field(default_factory=dict)
    on_delete: Mapping[str, Callable[[Parts, Any, str], None]] = field(default_factory=dict)
    actions: frozenset[str] = frozenset()
    quotas: tuple[Counted, ...] = ()
    lendable: Mapping[str, Lendable] = field(default_factory=dict)
    lent_actions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    on_grant_end: Callable[[Parts, Any, list[str]], None] | None = None
    on_lease_end: Mapping[str, Callable[[Parts, Any, str, str, bool], None]] = field(
        default_factory=dict
    )
    on_renew: Callable[[Parts, Any, str, list[str]], Mapping[str, str]] | None = None
    on_join: Callable[[Parts, Any, str, Any], list[dict[str, Any]]] | None = None
    on_report: Callable[[Parts, Any, str, Any], None] | None = None

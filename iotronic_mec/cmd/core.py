"""The process of the API and the conductor: threads, no reactor, the only writer.

``iotronic-mec standalone`` starts it and talks to it over two Unix sockets in
the state directory.
"""

from __future__ import annotations

import argparse
import fcntl
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iotronic_mec import metrics
from iotronic_mec.api import app as api_app
from iotronic_mec.api.auth import LastUsed
from iotronic_mec.api.hop import HopServer
from iotronic_mec.api.policy import Policies
from iotronic_mec.clock import Clock
from iotronic_mec.cmd import authentication, first_start, logs, state_dir
from iotronic_mec.conf import KEYSTONE, load, load_settings
from iotronic_mec.context import system_context
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import is_sqlite, open_database, sqlite_url
from iotronic_mec.db.leader import Leader
from iotronic_mec.db.session import Database
from iotronic_mec.drivers.load import load_ledger, load_outside, load_storage
from iotronic_mec.drivers.storage.base import Storage
from iotronic_mec.errors import Error, Unavailable
from iotronic_mec.events.outbox import Outbox
from iotronic_mec.events.relay import Relay
from iotronic_mec.feature import Feature, Parts, Settings
from iotronic_mec.features.audit.store import AuditChain
from iotronic_mec.features.grant.access import GrantAccess
from iotronic_mec.features.quota.access import Quotas
from iotronic_mec.passwords import Passwords
from iotronic_mec.periodic import PeriodicRunner
from iotronic_mec.registry import FEATURES
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.client import Conductor
from iotronic_mec.rpc.figures import Figures
from iotronic_mec.rpc.local import LocalServer
from iotronic_mec.rpc.server import Dispatcher

LOG = logging.getLogger(__name__)

LOCK_NAME = "conductor.lock"
DATABASE_NAME = "iotronic.sqlite"

SWITCH_INTERVAL_S = 0.001
"""How long a thread may keep the interpreter while others want it, seconds."""


GARBAGE_AFTER = 20_000
"""Objects made before cycles are looked for: a long list makes thousands, none in a cycle."""

NICENESS = 5
"""How far this process stands back when the processors are busy: lists must not
hold up the front, the router and so the data road."""


class ConductorRuns(Unavailable):
    """A conductor holds this state directory."""

    code = "iot.conductor.runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """All parts of the process."""

    parts: Parts
    commands: Mapping[str, Any]
    dispatcher: Dispatcher
    server: LocalServer
    leader: Leader
    relay: Relay
    periodic: PeriodicRunner


def lock(folder: Path) -> int:
    """Hold the conductor's lock until this process ends; return its descriptor.

    :raises ConductorRuns: another process holds it
    """
    descriptor = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ConductorRuns(f"a conductor is running on {folder}: stop it first") from error
    return descriptor


def database_url(folder: Path, given: Sequence[Path] = ()) -> str:
    """Return the URL of a state directory's database: its own file, or a server's.

    :param given: configuration files to read instead of the state directory's
    :raises BadConfiguration: the configuration file cannot be used
    """
    url: str = load(folder, given).database.connection
    return url or sqlite_url(folder / DATABASE_NAME)


def blobs(settings: Settings) -> Path:
    """Return the folder of the filesystem storage."""
    return settings.storage_path or settings.state_dir / "blobs"


def storage(folder: Path, given: Sequence[Path] = ()) -> Storage:
    """Return the storage the processes of a cloud use.

    :param given: configuration files to read instead of the state directory's
    :raises BadConfiguration: the configuration file cannot be used
    """
    options = load(folder, given).storage
    return load_storage(options.driver, folder / (options.path if given else "blobs"))


def build_parts(
    settings: Settings,
    database: Database,
    boards: Boards,
    secret: bytes,
    clock: Clock | None = None,
    features: tuple[Feature, ...] = FEATURES,
) -> Parts:
    """Make what commands are built from, with the hooks of all features."""
    clock = clock or Clock()
    audit = AuditChain(clock, database)
    lendable = {k: v for feature in features for k, v in feature.lendable.items()}
    lent_actions: dict[str, dict[str, str]] = {}
    for feature in features:
        for kind, words in feature.lent_actions.items():
            lent_actions[kind] = {**lent_actions.get(kind, {}), **words}
    vetoes: dict[str, tuple[Callable[[Any, str], None], ...]] = {}
    deletions: dict[str, tuple[Callable[[Parts, Any, str], None], ...]] = {}
    for feature in features:
        for noun, veto in feature.may_delete.items():
            vetoes[noun] = (*vetoes.get(noun, ()), veto)
        for noun, hook in feature.on_delete.items():
            deletions[noun] = (*deletions.get(noun, ()), hook)
    return Parts(
        database=database,
        boards=boards,
        clock=clock,
        settings=settings,
        storage=load_storage(settings.storage_driver, blobs(settings), clock),
        secret=secret,
        audit=audit,
        emit=Outbox(clock),
        quota=Quotas(
            (each for feature in features for each in feature.quotas),
            {**settings.quotas, "bytes": settings.project_quota_bytes},
        ),
        access=GrantAccess(
            database, clock, audit, lendable, embedded=settings.auth_strategy != KEYSTONE
        ),
        lendable=lendable,
        lent_actions=lent_actions,
        on_lease_end={k: v for feature in features for k, v in feature.on_lease_end.items()},
        on_renew=tuple(feature.on_renew for feature in features if feature.on_renew),
        on_grant_end=tuple(feature.on_grant_end for feature in features if feature.on_grant_end),
        ledger=load_ledger(settings.ledger_driver, settings.state_dir / settings.ledger_path),
        on_finished={k: v for feature in features for k, v in feature.on_finished.items()},
        transient={k: v for feature in features for k, v in feature.transient.items()},
        may_delete=vetoes,
        on_delete=deletions,
        actions=frozenset(action for feature in features for action in feature.actions),
        on_join=tuple(feature.on_join for feature in features if feature.on_join),
        on_report=tuple(feature.on_report for feature in features if feature.on_report),
        outside=load_outside(
            tunnel=settings.reach.tunnel_driver,
            dns=settings.reach.dns_driver,
            proxy=settings.reach.proxy_driver,
            network=settings.reach.network_driver,
        ),
    )


def build_commands(parts: Parts, features: tuple[Feature, ...] = FEATURES) -> dict[str, Any]:
    """Make the commands of all features, by namespace, in their order."""
    made: dict[str, Any] = {}
    for feature in features:
        if feature.commands is not None:
            commands = feature.commands(parts, made)
            made[commands.namespace] = commands
    return made


def build(settings: Settings, database: Database, secret: bytes) -> Core:
    """Put the process together; nothing runs yet."""
    answers: list[Dispatcher] = []
    server = LocalServer(settings.state_dir / "rpc.sock", lambda frame: answers[0].answer(frame))
    parts = build_parts(settings, database, Boards(server), secret)
    commands = build_commands(parts)
    answers.append(Dispatcher([*commands.values(), Figures()]))
    consumers = [consumer for feature in FEATURES for consumer in feature.consumers]
    periodics = [periodic for feature in FEATURES for periodic in feature.periodics]
    leader = Leader(database, parts.clock, parts.process)
    relay = Relay(parts, consumers, leader.leads)
    watch(database, relay, leader)
    return Core(
        parts=parts,
        commands=commands,
        dispatcher=answers[0],
        server=server,
        leader=leader,
        relay=relay,
        periodic=PeriodicRunner(parts, commands, periodics, leader.leads),
    )


def watch(database: Database, relay: Relay, leader: Leader) -> None:
    """Have the conductor's queues told with the metrics."""
    metrics.WRITERS.watch(database.waiting)
    metrics.EVENTS_BEHIND.watch(relay.behind)
    metrics.LEADS.watch(leader.leads)


def build_last_used(parts: Parts, conductor: Conductor) -> LastUsed:
    """Start what writes the time of tokens' last use beside the requests."""
    return LastUsed(
        lambda token: conductor.call(system_context(10.0), "token", "used", token=token),
        parts.clock,
    )


def build_application(
    parts: Parts, conductor: Conductor, used: LastUsed, passwords: Passwords | None = None
) -> api_app.Application:
    """Build the REST API of the process, with the identity of ``[api] auth_strategy``."""
    clock = parts.clock
    return api_app.build(
        features=authentication.served(FEATURES, parts.settings),
        settings=parts.settings,
        conductor=conductor,
        database=parts.database,
        storage=parts.storage,
        clock=clock,
        authenticator=authentication.build_authenticator(parts, used, passwords),
        enforcer=Policies(FEATURES, clock, parts.settings.policy_file),
    )


def run(settings: Settings) -> int:
    """Run the process until SIGTERM; return its exit code."""
    folder = settings.state_dir
    held = lock(folder)
    url = database_url(folder)
    if migrate.upgrade(url):
        LOG.info("the database is now at revision %s", migrate.head())
    if is_sqlite(url):
        os.chmod(folder / DATABASE_NAME, 0o600)
    database = open_database(url)
    core = build(settings, database, state_dir.secret(state_dir.StateDir(path=folder)))
    if settings.auth_strategy != KEYSTONE:
        first_start.ensure_administrator(core.commands["token"], settings, system_context())
    used = build_last_used(core.parts, core.dispatcher)
    application = build_application(core.parts, core.dispatcher, used)
    hop = HopServer(folder / "api.sock", application)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    core.leader.start()
    core.relay.start()
    core.periodic.start()
    core.server.start()
    hop.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)
    os.nice(NICENESS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    LOG.info("the core is ready")
    stop.wait()
    hop.stop()
    core.server.stop()
    core.periodic.stop()
    core.relay.stop()
    core.leader.stop()
    core.commands["request"].stop()
    core.parts.background.stop()
    used.stop()
    database.close()
    os.close(held)
    return 0


def main(argv: list[str] | None = None) -> int:
    """Read the arguments and run; for the front process only."""
    parser = argparse.ArgumentParser(prog="iotronic-mec core", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--public-url", required=True)
    parser.add_argument("--content-url", required=True)
    parser.add_argument("--wamp-url", required=True)
    given = parser.parse_args(argv)
    logs.begin("core")
    folder = given.state_dir.absolute()
    try:
        logs.begin("core", load(folder).log)
        settings = load_settings(
            folder,
            public_url=given.public_url,
            content_url=given.content_url,
            wamp_url=given.wamp_url,
        )
        return run(settings)
    except Error as error:
        print(f"iotronic-mec core: {error.message}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())

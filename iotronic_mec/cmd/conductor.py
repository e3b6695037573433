"""``iotronic-mec-conductor``: rules, states, repeated work; the only writer.

Serves the topic ``conductor`` of the message bus. Several may run on one PostgreSQL
or MariaDB database; on an SQLite file one alone, which holds its lock.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence

from iotronic_mec.cmd import core, first_start, service
from iotronic_mec.conf import KEYSTONE
from iotronic_mec.context import system_context
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import is_sqlite, open_database
from iotronic_mec.db.leader import Leader
from iotronic_mec.events.relay import Relay
from iotronic_mec.ids import new_uuid
from iotronic_mec.periodic import PeriodicRunner
from iotronic_mec.registry import FEATURES
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.bus import BusAgents
from iotronic_mec.rpc.listener import Listener
from iotronic_mec.rpc.server import Dispatcher
from iotronic_mec.rpc.transport import CONDUCTOR, Transport

LOG = logging.getLogger(__name__)

PROGRAM = "iotronic-mec-conductor"

NEEDED = (("rpc", "transport_url"), ("cloud", "public_url"), ("cloud", "content_url"))

DRAIN_S = 3.5
"""Seconds the calls that were taken have to end, after SIGTERM."""


def run(given: service.Service) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    settings, folder = given.settings, given.folder.path
    url = core.database_url(folder, settings.config_files)
    held = core.lock(folder) if is_sqlite(url) else None
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if migrate.upgrade(url):
        LOG.info("the database is now at revision %s", migrate.head())
    if is_sqlite(url):
        os.chmod(folder / core.DATABASE_NAME, 0o600)
    database = open_database(url)
    transport = Transport(given.conf, given.conf.rpc.transport_url)
    parts = core.build_parts(settings, database, Boards(BusAgents(transport)), given.secret)
    commands = core.build_commands(parts)
    if settings.auth_strategy != KEYSTONE:
        first_start.ensure_administrator(commands["token"], settings, system_context())
    leader = Leader(database, parts.clock, parts.process)
    consumers = [consumer for feature in FEATURES for consumer in feature.consumers]
    relay = Relay(parts, consumers, leader.leads)
    core.watch(database, relay, leader)
    periodics = [periodic for feature in FEATURES for periodic in feature.periodics]
    periodic = PeriodicRunner(parts, commands, periodics, leader.leads)
    unlisten = service.tell_metrics(given)
    name = new_uuid()
    listener = Listener(
        transport,
        CONDUCTOR,
        name,
        Dispatcher(commands.values()).answer,
        workers=given.conf.rpc.workers,
    )
    leader.start()
    relay.start()
    periodic.start()
    listener.start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(core.GARBAGE_AFTER)
    sys.setswitchinterval(core.SWITCH_INTERVAL_S)
    while not stop.is_set() and not listener.started.wait(0.05):
        pass
    if not stop.is_set():
        LOG.info("%s is ready as conductor %s", PROGRAM, name)
    stop.wait()
    listener.stop(DRAIN_S)
    unlisten()
    periodic.stop()
    relay.stop()
    leader.stop()
    commands["request"].stop()
    parts.background.stop()
    database.close()
    if held is not None:
        os.close(held)
    LOG.info("%s has ended", PROGRAM)
    service.leave(0)


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and run."""
    description = (__doc__ or "").partition("\n\n")[0].partition(": ")[2]
    return service.main(PROGRAM, description, arguments, NEEDED, run)

"""``iotronic-mec-api``: the REST API; reads the database, writes nothing.

Everything that changes something is a call to a conductor over the message bus. Over
it gateways ask, too, what they may not decide: the topic ``api``. Bodies of plugins go
into the storage, as everywhere. A reverse proxy stands in front and holds the
certificate. Other WSGI servers load :func:`build_wsgi`.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import waitress
from waitress import wasyncore

from iotronic_mec.api.app import Application
from iotronic_mec.api.auth import LastUsed
from iotronic_mec.cmd import core, service
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import open_database
from iotronic_mec.db.session import Database
from iotronic_mec.errors import Error, Unavailable
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.bus import BusAgents, BusConductor
from iotronic_mec.rpc.listener import Listener
from iotronic_mec.rpc.questions import Questions
from iotronic_mec.rpc.server import Dispatcher
from iotronic_mec.rpc.transport import API, Transport

LOG = logging.getLogger(__name__)

PROGRAM = "iotronic-mec-api"

NEEDED = (
    ("rpc", "transport_url"),
    ("database", "connection"),
    ("cloud", "public_url"),
    ("cloud", "content_url"),
)

DRAIN_S = 4.0
"""Seconds the requests under way have to end, after SIGTERM."""

CHANNEL_TIMEOUT_S = 75
"""Seconds a client may be silent before its connection is closed."""

MAX_CONNECTIONS = 1000
"""Most connections at a time; the reverse proxy keeps the others waiting."""


class Api:
    """The WSGI application and what it holds; made once a process, after any fork."""

    def __init__(self, given: service.Service) -> None:
        settings = given.settings
        url = core.database_url(settings.state_dir, settings.config_files)
        _check_schema(url)
        self._database: Database = open_database(url, writes=False)
        self._transport = Transport(given.conf, given.conf.rpc.transport_url)
        conductor = BusConductor(self._transport)
        agents = Boards(BusAgents(self._transport))
        parts = core.build_parts(settings, self._database, agents, given.secret)
        self._used: LastUsed = core.build_last_used(parts, conductor)
        self.application: Application = core.build_application(parts, conductor, self._used)
        self._listener = Listener(
            self._transport,
            API,
            new_uuid(),
            Dispatcher([Questions(self.application)]).answer,
            workers=given.conf.api.threads,
        )
        self._listener.start()

    def stop_answering(self, limit_s: float) -> None:
        """Take no more questions of gateways and end those taken; blocks up to ``limit_s``."""
        self._listener.stop(limit_s)

    def close(self) -> None:
        """Write down what tokens were used last and close the connections."""
        self._used.stop()
        self._database.close()


def build_wsgi(files: Sequence[Path] = ()) -> Application:
    """Return the WSGI application, for uWSGI, mod_wsgi and the like.

    :param files: configuration files; none: ``/etc/iotronic/iotronic.conf``
    :raises Error: says what is missing
    """
    return Api(service.prepare(PROGRAM, files, NEEDED)).application


def run(given: service.Service) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code."""
    api = Api(given)
    options = given.conf.api
    try:
        server = waitress.create_server(
            api.application,
            host=options.host,
            port=options.port,
            threads=options.threads,
            ident=None,
            max_request_body_size=2 * options.max_bundle_bytes,
            channel_timeout=CHANNEL_TIMEOUT_S,
            connection_limit=MAX_CONNECTIONS,
            # what a proxy says is believed or not by the application's own setting
            clear_untrusted_proxy_headers=not options.trust_proxy_headers,
        )
    except OSError as error:
        raise Unavailable(
            f"cannot listen on {options.host} port {options.port} ({error.strerror}): "
            "choose another [api] host or port"
        ) from error
    unlisten = service.tell_metrics(given)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    threading.Thread(target=server.run, name="http", daemon=True).start()
    gc.collect()
    gc.freeze()
    gc.set_threshold(core.GARBAGE_AFTER)
    sys.setswitchinterval(core.SWITCH_INTERVAL_S)
    LOG.info("%s is ready at http://%s:%d", PROGRAM, options.host, options.port)
    stop.wait()
    answering = threading.Thread(target=api.stop_answering, args=(DRAIN_S,), daemon=True)
    answering.start()
    # in its own loop: no new connections; what came before is answered
    server.trigger.pull_trigger(lambda: wasyncore.dispatcher.close(server))
    if not _drain(server, DRAIN_S):
        LOG.warning("requests are cut off")
    answering.join(DRAIN_S)
    unlisten()
    api.close()
    LOG.info("%s has ended", PROGRAM)
    service.leave(0)


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and run."""
    description = (__doc__ or "").partition("\n\n")[0].partition(": ")[2]
    return service.main(PROGRAM, description, arguments, NEEDED, run)


def _check_schema(url: str) -> None:
    """Refuse a database no conductor has prepared.

    :raises Error: says what to do
    """
    present = migrate.present(url)
    if present is None:
        raise Error("the database is empty: start a conductor, or run 'iotronic-mec db upgrade'")


def _drain(server: Any, limit_s: float) -> bool:
    """Wait until every request that has come is answered; say whether that is so."""
    until = time.monotonic() + limit_s
    while any(at.requests or at.total_outbufs_len for at in list(server.active_channels.values())):
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True

"""The agent of one board: all parts put together. Reactor thread only."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import RegisterOptions
from twisted.internet.defer import Deferred

from lightning_agent.clock import Clock
from lightning_agent.conf import Conf
from lightning_agent.errors import Error
from lightning_agent.modules import builtin
from lightning_agent.modules.aside import aside
from lightning_agent.modules.autostart import Autostart
from lightning_agent.modules.base import Parts
from lightning_agent.modules.command import run_command
from lightning_agent.modules.fetch import Fetcher
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.leases import Leases
from lightning_agent.modules.link import Link, launch_supervisor
from lightning_agent.modules.plugin import AgentRestarted
from lightning_agent.modules.reconcile import Reconciler
from lightning_agent.protocol import names
from lightning_agent.protocol.messages import Join, Joined, OperationCall
from lightning_agent.session.backoff import DEFAULT_RETRY_WINDOW_S, Schedule, SessionEnd
from lightning_agent.session.cloud import CALL_LIMIT_S, Cloud, CloudAway
from lightning_agent.session.component import Component
from lightning_agent.session.dispatch import Dispatcher
from lightning_agent.session.heartbeat import Heartbeat
from lightning_agent.session.renewal import Renewal
from lightning_agent.session.report import Reporter
from lightning_agent.session.transport import (
    Connection,
    KeyLogin,
    Session,
    Target,
    trust_root,
)
from lightning_agent.state.audit_head import AuditHead
from lightning_agent.state.disk import ThreadDisk
from lightning_agent.state.identity import IDENTITY_FILE, BoardKey, Identity
from lightning_agent.state.journal import FILE_NAME, open_journal
from lightning_agent.state.lease import LeaseReader
from lightning_agent.state.outbox import Outbox
from lightning_agent.state.store import Store
from lightning_agent.waiting import in_background, wait_for

LOG = logging.getLogger(__name__)

WATCH_S = 5.0
"""How often the identity's file is looked at: enrolling again takes effect without a restart."""
RESTART_LIMIT_S = 30.0
"""For the owner's own command to restart the agent."""
SHUTDOWN_LIMIT_S = 1.0
"""For telling the supervisor to end."""


class Agent:
    """Everything one board does, until :meth:`stop` or a new enrolment.

    :param starts_supervisor: whether a supervisor is started where none answers
    :raises Error: the state directory cannot be used
    """

    def __init__(
        self,
        reactor: Any,
        conf: Conf,
        identity: Identity,
        restart: Callable[[], None] = lambda: None,
        *,
        starts_supervisor: bool = True,
    ) -> None:
        self._reactor = reactor
        self._conf = conf
        self._identity = identity
        self._watched = self._identity_stamp()
        self._watching: Any = None
        self._restart = restart
        self.stopped: Deferred[None] = Deferred()
        """Fires when :meth:`stop` is through."""
        randomness = random.SystemRandom()
        self._disk = ThreadDisk(reactor)
        self._journal = open_journal(conf.state_dir / FILE_NAME)
        self._outbox = Outbox(reactor, self._disk, self._journal)
        self._store = Store(conf.state_dir, self._disk)
        self._audit_head = AuditHead(conf.state_dir, self._disk, identity.board)
        self._link = Link(
            reactor, conf.state_dir, spawn=launch_supervisor if starts_supervisor else None
        )
        self._make_plugins(randomness)
        self._make_session(randomness)

    async def run(self) -> None:
        """Be the agent; returns when stopped or when the identity on disk is another one."""
        LOG.info("board %s (%s): agent starts", self._identity.board, self._identity.name)
        self._link.start()
        self._watching = self._reactor.callLater(WATCH_S, self._watch)
        in_background(self._dispatcher.settle(self._recover), "settling open orders")
        for module in self._modules:
            module.resume()
        await self._component.run()

    async def stop(self, *, stop_plugins: bool = False) -> None:
        """End within two seconds; the supervisor and its plugins stay unless asked."""
        if self._watching is not None and self._watching.active():
            self._watching.cancel()
        self._autostart.stop()
        self._reconciler.stop()
        await self._component.stop()
        if stop_plugins:
            try:
                await self._link.request("shutdown", limit_s=SHUTDOWN_LIMIT_S)
            except Error as error:
                LOG.warning("the supervisor did not take the order to end: %s", error)
        self._link.stop()
        await self._outbox.flush()
        self._disk.stop()
        self._journal.close()
        self.stopped.callback(None)

    def _make_plugins(self, randomness: random.Random) -> None:
        clock = Clock()
        fetcher = Fetcher(
            self._reactor,
            self._conf.state_dir,
            self._disk,
            randomness=randomness,
            trust_root=trust_root(self._conf.cloud.ca),
        )
        self._lease_reader = LeaseReader(self._conf.state_dir, self._identity.board)
        self._leases = Leases(link=self._link, store=self._store, reader=self._lease_reader)
        self._keeper = Keeper(
            link=self._link,
            store=self._store,
            fetcher=fetcher,
            clock=clock,
            leases=self._leases,
        )
        self._autostart = Autostart(
            self._reactor, keeper=self._keeper, link=self._link, store=self._store
        )
        self._link.on_connected = self._autostart.connected
        self._link.on_event = self._autostart.on_event
        self._reconciler = Reconciler(
            self._reactor,
            board=self._identity.board,
            keeper=self._keeper,
            store=self._store,
            randomness=randomness,
        )
        parts = Parts(
            clock=clock,
            link=self._link,
            keeper=self._keeper,
            reactor=self._reactor,
            state_dir=self._conf.state_dir,
            power=self,
            owner=self._conf.owner,
        )
        self._modules = builtin.load(parts, self._conf.modules)

    def _make_session(self, randomness: random.Random) -> None:
        board = self._identity.board
        self._cloud = Cloud(self._reactor)
        reporter = Reporter(
            link=self._link,
            keeper=self._keeper,
            outbox=self._outbox,
            audit_head=lambda: self._audit_head.newest,
            local_ip=self._local_ip,
            procedures=lambda: self._dispatcher.procedures,
        )
        self._dispatcher = Dispatcher(
            self._reactor,
            board=board,
            clock=Clock(),
            outbox=self._outbox,
            procedures=[item for module in self._modules for item in module.procedures()],
            state=reporter.state,
            concurrency=self._conf.concurrency,
        )

        async def join() -> Join:
            self._asked_at_s = time.monotonic()
            return await reporter.join()

        self._heartbeat = Heartbeat(
            self._reactor,
            board=board,
            cloud=self._cloud,
            outbox=self._outbox,
            randomness=randomness,
            join=join,
            report=reporter.report,
            adopt=self._adopt,
        )
        self._renewal = Renewal(
            self._reactor,
            board=board,
            cloud=self._cloud,
            keeper=self._keeper,
            leases=self._leases,
            told=self._audit_head.told,
        )
        self._keeper.on_change = self._heartbeat.changed
        self._outbox.on_many = self._heartbeat.hurry
        self._reconciler.ask_again = self._heartbeat.rejoin
        self._make_component(randomness)

    def _make_component(self, randomness: random.Random) -> None:
        conf = self._conf.cloud
        if conf.url and conf.url != self._identity.url:
            LOG.warning("agent.toml names %s, enrolled at %s", conf.url, self._identity.url)
        target = Target(url=conf.url or self._identity.url, realm=conf.realm, ca=conf.ca)
        login = KeyLogin(self._identity.board, BoardKey.load(self._conf.state_dir))
        window_s = self._store.retry_window_s
        self._schedule = Schedule(
            randomness, DEFAULT_RETRY_WINDOW_S if window_s is None else window_s
        )
        self._component = Component(
            self._reactor,
            attempt=lambda: Connection(self._reactor, target, login),
            schedule=self._schedule,
            on_join=self._joined,
            on_end=self._ended,
            board=self._identity.board,
        )

    async def _joined(self, session: Session) -> None:
        """Open a session for orders, then begin to report."""
        prefix = names.board_prefix(self._identity.board)
        options = RegisterOptions(  # type: ignore[no-untyped-call]
            match="prefix", details_arg="details", force_reregister=True
        )
        try:
            await wait_for(
                self._reactor,
                session.register(self._dispatcher.handle, prefix, options=options),
                CALL_LIMIT_S,
                lambda: CloudAway("the registration was not answered"),
            )
        except (ApplicationError, CloudAway, TransportLost) as error:
            LOG.warning("board %s: not open for orders: %s", self._identity.board, error)
            session.disconnect()
            return
        LOG.info("board %s: joined, session %s", self._identity.board, session.session_id)
        self._cloud.session = session
        self._component.ready()
        self._heartbeat.start()
        self._renewal.start()

    def _ended(self, end: SessionEnd) -> None:
        self._cloud.session = None
        self._heartbeat.stop()
        self._renewal.stop()

    async def _adopt(self, joined: Joined) -> None:
        LOG.info("board %s: %d plugins desired", self._identity.board, len(joined.plugins))
        self._schedule.retry_window_s = joined.retry_window_s
        await self._store.set_retry_window(joined.retry_window_s)
        await self._audit_head.told(joined.audit_head)
        await self._disk.run(lambda: self._lease_reader.pin(joined.lease_key))
        try:
            await self._leases.settle(joined.plugins)
        except Error as error:
            LOG.warning("board %s: leases were not settled: %s", self._identity.board, error)
        await self._reconciler.adopt(joined.plugins, self._asked_at_s)

    async def flush(self) -> None:
        """Return when all ends of orders are on the disk."""
        await self._outbox.flush()

    async def restart(self) -> None:
        """Start the agent anew, by the owner's command if there is one; plugins go on."""
        argv = self._conf.owner.restart_command
        LOG.warning("board %s: the agent restarts", self._identity.board)
        if not argv:
            self._restart()
            return
        outcome = await aside(self._reactor, lambda: run_command(argv, RESTART_LIMIT_S), "restart")
        if outcome.code != 0:
            LOG.error("%s ended with %d: %s", argv[0], outcome.code, outcome.output[-500:])

    async def drop_identity(self) -> None:
        """End, forget who the board is, and let the process start over."""
        LOG.warning("board %s: the identity is dropped", self._identity.board)
        in_background(self.stop(), "stopping")

    async def _recover(self, name: str, order: OperationCall) -> Any:
        for module in self._modules:
            if name.startswith(f"{module.name}."):
                found = await module.recover(name, order)
                if found is not None:
                    return found
        raise AgentRestarted("the agent was restarted before the order had ended")

    def _local_ip(self) -> str | None:
        session = self._cloud.session
        transport = getattr(getattr(session, "_transport", None), "transport", None)
        return str(transport.getHost().host) if transport is not None else None

    def _identity_stamp(self) -> tuple[int, int] | None:
        try:
            stat = (self._conf.state_dir / IDENTITY_FILE).stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_ino

    def _watch(self) -> None:
        stamp = self._identity_stamp()
        if stamp is not None and stamp != self._watched:
            LOG.info("board %s: enrolled anew, starting over", self._identity.board)
            in_background(self.stop(), "stopping")
        else:
            self._watching = self._reactor.callLater(WATCH_S, self._watch)

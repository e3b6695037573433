"""Who does what only one process of the cloud may do, and which processes live.

Every process that may lead counts up a beat in its own row, and one of them
also in the leader's row. Nobody compares wall clocks: a process that waits
looks whether the leader's beat still changes, by its own clock that never goes
back, and takes over when it has not for :data:`TIMEOUT_S`. The leader itself
stops acting :data:`ACTS_S` after the beginning of its last beat, which is
earlier; so the two never act at once, however long a beat took.

A process that is stopped in the middle of a piece of work and goes on later
finishes that piece: what it writes is a transaction of its own, and periodic
work and consumers of events can be repeated.

On an embedded file there is one process and nothing of this is written.
A library (tooz) would need a further service, such as etcd or ZooKeeper, for
what one row of the database we already have does.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from iotronic_mec.clock import Clock
from iotronic_mec.db.lease_table import lease
from iotronic_mec.db.session import Database
from iotronic_mec.errors import Error

LOG = logging.getLogger(__name__)

BEAT_S = 3.0
"""Pause between two beats, seconds."""

ACTS_S = 9.0
"""How long after the beginning of a beat the leader acts, seconds."""

TIMEOUT_S = 12.0
"""After how long without a new beat another process takes over, seconds."""

LEADER = "leader"
"""Name of the leader's row."""

MEMBER = "process."
"""Names of the processes' own rows begin so, their uuid follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """What is known of a row, and since when it is so by our clock."""

    holder: str
    beat: int
    since_s: float


class Leader:
    """This process's part in choosing who leads.

    :param process: uuid of this process's life
    """

    def __init__(self, database: Database, clock: Clock, process: str) -> None:
        self._database = database
        self._clock = clock
        self._process = process
        self._seen: dict[str, _Row] = {}
        self._leads = False
        self._beat_at_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)

    def leads(self) -> bool:
        """Whether this process may do now what only one may; any thread."""
        if self._database.exclusive:
            return True
        return self._leads and self._clock.monotonic() - self._beat_at_s < ACTS_S

    def start(self) -> None:
        """Take part; the first beat is made before this returns."""
        if self._database.exclusive:
            return
        self._step_safely()
        self._thread.start()

    def stop(self) -> None:
        """Give up what is held, so that another need not wait; waits up to 5 s."""
        self._stop.set()
        if self._database.exclusive or not self._thread.is_alive():
            return
        self._thread.join(5)
        self._leads = False
        try:
            self._database.write(self._leave)
        except Error as error:
            LOG.warning("others take over after %s s: %s", TIMEOUT_S, error.message)

    def step(self) -> None:
        """Make one beat; for tests too.

        :raises Error: the database did not take it
        """
        began_s = self._clock.monotonic()
        led = self._leads
        self._leads = self._database.write(self._beat)
        self._beat_at_s = began_s
        if self._leads and not led:
            LOG.info("process %s leads", self._process)

    def _run(self) -> None:
        while not self._stop.wait(BEAT_S):
            self._step_safely()

    def _step_safely(self) -> None:
        try:
            self.step()
        except Error as error:
            LOG.warning("no beat of process %s: %s", self._process, error.message)
        except Exception:
            # a rim: without the thread nobody would lead until a restart
            LOG.exception("no beat of process %s", self._process)

    def _beat(self, connection: Connection) -> bool:
        rows = connection.execute(
            select(lease).where((lease.c.name == LEADER) | lease.c.name.startswith(MEMBER))
        ).all()
        quiet = self._quiet({row.name: (row.holder, row.beat) for row in rows})
        known = {row.name: row for row in rows}
        _count_up(connection, MEMBER + self._process, self._process, set(known))
        present = known.get(LEADER)
        if present is not None and present.holder not in ("", self._process):
            if LEADER not in quiet:
                return False
            LOG.warning("process %s does not lead any more", present.holder)
        _count_up(connection, LEADER, self._process, set(known))
        silent = [name for name in quiet if name not in (LEADER, MEMBER + self._process)]
        if silent:
            connection.execute(delete(lease).where(lease.c.name.in_(silent)))
        return True

    def _quiet(self, rows: dict[str, tuple[str, int]]) -> set[str]:
        """Note what changed; return the rows whose beat has not for too long."""
        now_s = self._clock.monotonic()
        fresh: dict[str, _Row] = {}
        for name, (holder, beat) in rows.items():
            before = self._seen.get(name)
            same = before is not None and (before.holder, before.beat) == (holder, beat)
            since_s = before.since_s if before is not None and same else now_s
            fresh[name] = _Row(holder=holder, beat=beat, since_s=since_s)
        self._seen = fresh
        return {name for name, row in fresh.items() if now_s - row.since_s >= TIMEOUT_S}

    def _leave(self, connection: Connection) -> None:
        connection.execute(delete(lease).where(lease.c.name == MEMBER + self._process))
        connection.execute(
            update(lease)
            .where(lease.c.name == LEADER, lease.c.holder == self._process)
            .values(holder="")
        )


def lives(connection: Connection, process: str) -> bool:
    """Whether a process takes part at present, as far as the others know.

    One that died is known for :data:`TIMEOUT_S` more.
    """
    row = select(lease.c.name).where(lease.c.name == MEMBER + process)
    return connection.execute(row).first() is not None


def _count_up(connection: Connection, name: str, holder: str, present: set[str]) -> None:
    if name in present:
        connection.execute(
            update(lease).where(lease.c.name == name).values(holder=holder, beat=lease.c.beat + 1)
        )
        return
    connection.execute(insert(lease).values(name=name, holder=holder, beat=1))

"""Renewing leases while the cloud is there; hearing of those that were taken back.

What the cloud does not renew is ended. Reactor thread only.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from lightning_agent.errors import Error
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.leases import Leases
from lightning_agent.protocol import names
from lightning_agent.protocol.errors import WireError
from lightning_agent.protocol.messages import LeaseAnswer, LeaseList
from lightning_agent.session.cloud import Cloud
from lightning_agent.waiting import in_background, sleep

LOG = logging.getLogger(__name__)

EVERY_S = 60.0
"""How often leases are looked at."""
RENEW_S = 2400.0
"""A lease that has less than this left is renewed: three tries before its end."""
ASK_S = 3600.0
"""How often the cloud is asked although nothing is leased, for the audit's head."""


class Renewal:
    """The leases of one board, while a session lasts.

    :param told: takes the audit's head that comes with the answer
    """

    def __init__(
        self,
        reactor: Any,
        *,
        board: str,
        cloud: Cloud,
        keeper: Keeper,
        leases: Leases,
        told: Callable[[str | None], Awaitable[None]],
    ) -> None:
        self._reactor = reactor
        self._board = board
        self._cloud = cloud
        self._keeper = keeper
        self._leases = leases
        self._told = told
        self._asked_s = 0.0
        self._task: Deferred[None] | None = None

    def start(self) -> None:
        """Begin for a new session, whose join has just renewed all."""
        self.stop()
        self._asked_s = self._reactor.seconds()
        self._task = in_background(self._run(), f"board {self._board}: leases")

    def stop(self) -> None:
        """End with the session."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    async def _run(self) -> None:
        while True:
            await sleep(self._reactor, EVERY_S)
            try:
                await self.renew()
            except CancelledError:
                raise
            except (Error, WireError) as error:
                LOG.warning("board %s: leases were not renewed: %s", self._board, error)

    async def renew(self) -> None:
        """Ask for new leases in place of those that end within :data:`RENEW_S`."""
        remaining = await self._leases.list_left()
        due = sorted(plugin for plugin, left_s in remaining.items() if left_s < RENEW_S)
        now_s = self._reactor.seconds()
        if not due and now_s - self._asked_s < ASK_S:
            return
        answer = await self._cloud.call(names.LEASES, LeaseList(leased=due), LeaseAnswer)
        self._asked_s = now_s
        await self._told(answer.audit_head)
        renewed = {entry.plugin: entry.lease for entry in answer.leases}
        for plugin in due:
            lease = renewed.get(plugin)
            if lease is None:
                await self._keeper.end(plugin, "lease_revoked")
            else:
                await self._leases.renew(plugin, lease)

"""The board itself: is it there, how is it connected, begin anew."""

from __future__ import annotations

import logging
import socket
from typing import Any

from lightning_agent.modules.aside import aside
from lightning_agent.modules.base import Module, parameters_of, procedure, text_of
from lightning_agent.modules.command import run_command
from lightning_agent.modules.interfaces import describe
from lightning_agent.owner import NETWORK, REBOOT, RESTART
from lightning_agent.protocol.device import DelayParameters
from lightning_agent.protocol.messages import OperationCall
from lightning_agent.waiting import in_background

LOG = logging.getLogger(__name__)

REBOOT_LIMIT_S = 30.0
"""For the owner's command; a machine that goes down ends it sooner."""


class Device(Module):
    """``device.ping``, ``.echo``, ``.network``, ``.reboot`` and ``.restart``."""

    name = "device"

    @procedure(effect=False)
    async def ping(self, order: OperationCall) -> str:
        """Answer with the host's name and time."""
        return f"{socket.gethostname()} @ {self._time()}"

    @procedure(effect=False)
    async def echo(self, order: OperationCall) -> str:
        """Answer with what was said and the time."""
        return f"{text_of(order, 'say')} @ {self._time()}"

    @procedure(effect=False)
    async def network(self, order: OperationCall) -> dict[str, Any]:
        """Describe the interfaces, see :func:`interfaces.describe`."""
        self.parts.owner.check(NETWORK)
        return await aside(self.parts.reactor, describe, "interfaces")

    @procedure(effect=True)
    async def reboot(self, order: OperationCall) -> str:
        """Have the machine start anew a little later, by the owner's command."""
        delay = parameters_of(order, DelayParameters)
        self.parts.owner.check(REBOOT)
        self._later(delay.delay_s, self._reboot, order)
        return f"the board reboots in {delay.delay_s:g} s"

    @procedure(effect=True)
    async def restart(self, order: OperationCall) -> str:
        """Have the agent start anew a little later; plugins go on running."""
        delay = parameters_of(order, DelayParameters)
        self.parts.owner.check(RESTART)
        self._later(delay.delay_s, self.parts.power.restart, order)
        return f"the agent restarts in {delay.delay_s:g} s"

    async def recover(self, name: str, order: OperationCall) -> str | None:
        """Say how an order ended that a former agent began; ``None``: not known.

        An agent that runs again has restarted, which is what was asked for.
        """
        return "the agent has restarted" if name == f"{self.name}.restart" else None

    def _later(self, delay_s: float, effect: Any, order: OperationCall) -> None:
        # the answer is written down and sent long before: at least 3 s pass
        LOG.warning("operation %s: %s in %.1f s", order.operation, order.action, delay_s)
        self.parts.reactor.callLater(
            delay_s, lambda: in_background(self._take_effect(effect), order.action)
        )

    async def _take_effect(self, effect: Any) -> None:
        await self.parts.power.flush()
        await effect()

    async def _reboot(self) -> None:
        argv = self.parts.owner.reboot_command
        outcome = await aside(
            self.parts.reactor, lambda: run_command(argv, REBOOT_LIMIT_S), "reboot"
        )
        if outcome.code != 0:
            LOG.error("%s ended with %d: %s", argv[0], outcome.code, outcome.output[-500:])

    def _time(self) -> str:
        return self.parts.clock.now().isoformat(timespec="microseconds")

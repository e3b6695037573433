"""Factory reset: the board without plugins and data, enrolled or not.

Every step may be done again: a reset that was cut off is carried on by the next
agent. What the owner wrote (``agent.toml``) stays.
"""

from __future__ import annotations

import logging

from lightning_agent.modules.base import Module, parameters_of, procedure
from lightning_agent.owner import RESET
from lightning_agent.protocol.device import DROP, MIN_DELAY_S, ResetParameters
from lightning_agent.protocol.messages import OperationCall
from lightning_agent.state.leftovers import clear_data, is_dropping, mark_drop
from lightning_agent.waiting import in_background

LOG = logging.getLogger(__name__)

REPORT_S = 15.0
"""What a restarted agent waits before it drops the identity: the reset's end is
reported by the board's journal meanwhile."""

SUPERVISOR_LIMIT_S = 15.0


class Reset(Module):
    """``reset.factory``."""

    name = "reset"

    @procedure(effect=True)
    async def factory(self, order: OperationCall) -> str:
        """Remove all plugins and data; keep or drop the identity."""
        wanted = parameters_of(order, ResetParameters)
        self.parts.owner.check(RESET)
        return await self._carry_out(wanted, MIN_DELAY_S)

    async def recover(self, name: str, order: OperationCall) -> str | None:
        """Carry on a reset that a former agent began."""
        if name != f"{self.name}.factory":
            return None
        return await self._carry_out(parameters_of(order, ResetParameters), REPORT_S)

    def resume(self) -> None:
        """Drop the identity if a former agent had said so and not done it."""
        if is_dropping(self.parts.state_dir):
            self._drop_later(REPORT_S)

    async def _carry_out(self, wanted: ResetParameters, delay_s: float) -> str:
        parts = self.parts
        await parts.link.wait_connected(SUPERVISOR_LIMIT_S)
        keeper = parts.keeper
        plugins = {*await keeper.list_installed(), *keeper.store.desired}
        for plugin in sorted(plugins):
            await keeper.remove(plugin)
        await keeper.store.disk.run(lambda: clear_data(parts.state_dir))
        if wanted.identity == DROP:
            await keeper.store.disk.run(lambda: mark_drop(parts.state_dir))
            self._drop_later(delay_s)
        count = len(plugins)
        LOG.warning("factory reset: %d plugins removed, identity: %s", count, wanted.identity)
        return "Device reset completed"

    def _drop_later(self, delay_s: float) -> None:
        def drop() -> None:
            in_background(self.parts.power.drop_identity(), "dropping the identity")

        self.parts.reactor.callLater(delay_s, drop)

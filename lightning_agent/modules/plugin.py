"""Orders about plugins: parse, hand to the keeper, answer in upstream's words."""

from __future__ import annotations

from typing import Any

from lightning_agent.errors import Error
from lightning_agent.modules.base import (
    BadParameters,
    Module,
    Parts,
    number_of,
    procedure,
    table_of,
    text_of,
)
from lightning_agent.modules.keeper import Keeper
from lightning_agent.protocol import names
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import OperationCall, PluginDesired

MAX_DELAY_S = 60.0
MAX_LINES = 1000
MAX_AFTER = 2**53
"""Largest number of a line: what every reader of JSON can hold."""

RECOVER_LIMIT_S = 15.0
"""For the supervisor to be there after a restart, before open orders are settled."""


class AgentRestarted(Error):
    """The agent was restarted while it carried out the order; how far it came is not known."""

    code = "agent_restarted"


class PluginModule(Module):
    """``plugin.inject``, ``.remove``, ``.call``, ``.start``, ``.stop`` and so on."""

    name = "plugin"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._keeper: Keeper = parts.keeper

    @procedure(effect=True)
    async def inject(self, order: OperationCall) -> str:
        """Fetch a bundle and install it."""
        result = await self._keeper.inject(_desired(order))
        return f"PluginInject result: {result}"

    @procedure(effect=True)
    async def remove(self, order: OperationCall) -> str:
        """Take a plugin off the board."""
        await self._keeper.remove(_plugin(order))
        return "REMOVED"

    @procedure(effect=True)
    async def call(self, order: OperationCall) -> Any:
        """Run a callable plugin and return its result."""
        return await self._keeper.call(
            _plugin(order),
            table_of(order, "parameters") or {},
            operation=order.operation,
            remaining_s=order.remaining_s,
        )

    @procedure(effect=True)
    async def start(self, order: OperationCall) -> str:
        """Start a plugin."""
        await self._keeper.start(
            _plugin(order),
            table_of(order, "parameters") or {},
            operation=order.operation,
            lease=_lease(order),
        )
        return "STARTED"

    @procedure(effect=True)
    async def stop(self, order: OperationCall) -> str:
        """Stop a plugin."""
        await self._keeper.stop(_plugin(order), number_of(order, "delay_s", 0.0, MAX_DELAY_S))
        return "STOPPED"

    @procedure(effect=False)
    async def status(self, order: OperationCall) -> str:
        """Say whether a plugin runs."""
        return "ALIVE" if await self._keeper.is_alive(_plugin(order)) else "DEAD"

    @procedure(effect=True)
    async def reboot(self, order: OperationCall) -> str:
        """Stop and start a plugin."""
        await self._keeper.restart(
            _plugin(order),
            table_of(order, "parameters"),
            operation=order.operation,
            lease=_lease(order),
        )
        return "REBOOTED"

    @procedure(effect=False)
    async def end(self, order: OperationCall) -> bool:
        """Kill a plugin that may not run any more; say whether it ran."""
        return await self._keeper.end(_plugin(order), text_of(order, "cause"))

    @procedure(effect=False)
    async def logs(self, order: OperationCall) -> dict[str, Any]:
        """Return the newest lines a plugin wrote."""
        lines = int(number_of(order, "lines", 100, MAX_LINES))
        return await self._keeper.list_logs(_plugin(order), max(lines, 1))

    @procedure(effect=False, noted=False)
    async def follow(self, order: OperationCall) -> dict[str, Any]:
        """Return the oldest lines a plugin wrote after one of them; at first the newest."""
        begins = order.parameters.get("after") is None
        after = None if begins else int(number_of(order, "after", 0, MAX_AFTER))
        lines = int(number_of(order, "lines", 100, MAX_LINES))
        return await self._keeper.follow_log(_plugin(order), after, max(lines, 1))

    async def recover(self, name: str, order: OperationCall) -> str | None:
        """Find out how an order ended that a former agent began.

        What was asked for and is there, or is gone, has succeeded. A call is never
        run again.

        :returns: ``None`` when it is not as asked for, or cannot be known
        """
        await self.parts.link.wait_connected(RECOVER_LIMIT_S)
        if name == names.PLUGIN_INJECT and await self._is_injected(_desired(order)):
            return "PluginInject result: INJECTED"
        if name == names.PLUGIN_REMOVE and await self._is_removed(_plugin(order)):
            return "REMOVED"
        if name == names.PLUGIN_STOP and not await self._keeper.is_alive(_plugin(order)):
            return "STOPPED"
        if name == names.PLUGIN_START and await self._keeper.is_alive(_plugin(order)):
            return "STARTED"
        return None

    async def _is_injected(self, desired: PluginDesired) -> bool:
        installed = await self._keeper.list_installed()
        if desired.digest not in installed.get(desired.plugin, ()):
            return False
        if self._keeper.store.find_desired(desired.plugin) is None:
            await self._keeper.store.set_desired(desired)
        return True

    async def _is_removed(self, plugin: str) -> bool:
        return plugin not in await self._keeper.list_installed()


def _plugin(order: OperationCall) -> str:
    plugin = text_of(order, "plugin")
    if names.UUID.fullmatch(plugin) is None:
        raise BadParameters("the parameter plugin must be a lower-case uuid")
    return plugin


def _lease(order: OperationCall) -> str | None:
    return None if order.parameters.get("lease") is None else text_of(order, "lease")


def _desired(order: OperationCall) -> PluginDesired:
    try:
        return PluginDesired.from_wire(order.parameters.get("desired"))
    except BadMessage as error:
        raise BadParameters(f"the parameter desired: {error.message}") from error

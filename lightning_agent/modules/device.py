"""The board itself: is it there, does it hear us."""

from __future__ import annotations

import socket

from lightning_agent.modules.base import Module, procedure, text_of
from lightning_agent.protocol.messages import OperationCall


class Device(Module):
    """``device.ping`` and ``device.echo``, in upstream's wording."""

    name = "device"

    @procedure(effect=False)
    async def ping(self, order: OperationCall) -> str:
        """Answer with the host's name and time."""
        return f"{socket.gethostname()} @ {self._time()}"

    @procedure(effect=False)
    async def echo(self, order: OperationCall) -> str:
        """Answer with what was said and the time."""
        return f"{text_of(order, 'say')} @ {self._time()}"

    def _time(self) -> str:
        return self.parts.clock.now().isoformat(timespec="microseconds")

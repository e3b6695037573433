"""Writing to a socket at once; shared with the board, see ``lightning_agent.protocol.prompt``."""

from __future__ import annotations

from lightning_agent.protocol.prompt import write

__all__ = ["write"]

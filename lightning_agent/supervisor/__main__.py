"""``python -m lightning_agent.supervisor``: the supervisor without the agent's imports."""

from __future__ import annotations

import sys

from lightning_agent.supervisor.main import main

sys.exit(main(sys.argv[1:]))

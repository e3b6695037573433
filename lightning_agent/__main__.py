"""``python -m lightning_agent``: the same as the command ``lightning-agent``."""

from __future__ import annotations

import sys

from lightning_agent.cmd import main

sys.exit(main())

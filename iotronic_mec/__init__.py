"""The cloud side: an IoT resource manager and a micro-MEC platform."""

from __future__ import annotations

__version__ = "0.1.0"

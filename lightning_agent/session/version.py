"""The agent's version, as it tells the cloud."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def _installed() -> str:
    try:
        return version("iotronic-mec")
    except PackageNotFoundError:
        return "0"


AGENT_VERSION = _installed()
"""Version of the distribution the agent was installed from, ``0`` if not installed."""

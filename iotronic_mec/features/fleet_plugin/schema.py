"""JSON bodies of orders on a plugin to a whole fleet."""

from __future__ import annotations

from pydantic import Field

from iotronic_mec.api.fields import Body, Boolean, JSONObject, UUIDOrName


class FleetInjectBody(Body):
    """Which plugin to inject on every board of a fleet; the answer is always 202."""

    plugin: UUIDOrName
    onboot: Boolean = False


class FleetPluginActionBody(Body):
    """An action of a plugin for every board of a fleet; the answer is always 202."""

    action: str = Field(
        max_length=40, description="PluginCall, Start, Stop, Status, Reboot or Logs"
    )
    parameters: JSONObject = Field(default_factory=dict)

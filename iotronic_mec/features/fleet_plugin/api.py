"""Routes of orders on a plugin to a whole fleet."""

from __future__ import annotations

from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.ordered import FleetAcceptedShape, answered_fleet
from iotronic_mec.feature import Route
from iotronic_mec.features.fleet_plugin.schema import FleetInjectBody, FleetPluginActionBody


def inject(call: Call) -> Answer:
    """Inject a plugin on all boards of a fleet."""
    made = call.ask(
        "fleet_plugin",
        "inject",
        fleet=call.path["fleet"],
        plugin=call.body.plugin,
        onboot=call.body.onboot,
    )
    return answered_fleet(call, made)


def action(call: Call) -> Answer:
    """Have a plugin do an action on all boards of a fleet."""
    made = call.ask(
        "fleet_plugin",
        "action",
        fleet=call.path["fleet"],
        plugin=call.path["plugin"],
        action=call.body.action,
        parameters=call.body.parameters,
    )
    return answered_fleet(call, made)


def remove(call: Call) -> Answer:
    """Remove a plugin from all boards of a fleet."""
    made = call.ask("fleet_plugin", "remove", fleet=call.path["fleet"], plugin=call.path["plugin"])
    return answered_fleet(call, made)


ROUTES = (
    Route(
        method="PUT",
        path="/v1/fleets/{fleet}/plugins",
        handler=inject,
        policy="iot:fleet_plugin_inject:put",
        summary="Inject a plugin on all boards of a fleet",
        body=FleetInjectBody,
        answer=FleetAcceptedShape,
        status=202,
        errors=(409,),
    ),
    Route(
        method="POST",
        path="/v1/fleets/{fleet}/plugins/{plugin}",
        handler=action,
        policy="iot:fleet_plugin_action:post",
        summary="Have a plugin do an action on all boards of a fleet",
        body=FleetPluginActionBody,
        answer=FleetAcceptedShape,
        status=202,
        errors=(409,),
    ),
    Route(
        method="DELETE",
        path="/v1/fleets/{fleet}/plugins/{plugin}",
        handler=remove,
        policy="iot:fleet_plugin_remove:delete",
        summary="Remove a plugin from all boards of a fleet",
        answer=FleetAcceptedShape,
        status=202,
        errors=(409,),
    ),
)

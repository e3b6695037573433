"""Routes of actions of boards and fleets."""

from __future__ import annotations

import orjson

from iotronic_mec.api.controller import Answer, Call
from iotronic_mec.api.fields import Words
from iotronic_mec.api.ordered import AcceptedShape, FleetAcceptedShape, answered, answered_fleet
from iotronic_mec.feature import Route
from iotronic_mec.features.device_action.schema import (
    ActionBody,
    FleetActionBody,
    read_parameters,
)
from iotronic_mec.operation import OPEN


def action(call: Call) -> Answer:
    """Have a board do an action."""
    wait = call.body.wait
    done = call.ask(
        "device_action",
        "action",
        board=call.path["board"],
        action=call.body.action,
        parameters=read_parameters(call.body.action, call.body.parameters),
        wait=wait,
    )
    message = done["message"]
    if not isinstance(message, str):
        # a JSON string, whatever the board said: upstream's clients print it
        done = {**done, "message": orjson.dumps(message).decode()}
    return answered(call, done, wait=wait and done["state"] not in OPEN)


def fleet_action(call: Call) -> Answer:
    """Have all boards of a fleet do an action."""
    made = call.ask(
        "device_action",
        "fleet_action",
        fleet=call.path["fleet"],
        action=call.body.action,
        parameters=read_parameters(call.body.action, call.body.parameters),
    )
    return answered_fleet(call, made)


ROUTES = (
    Route(
        method="POST",
        path="/v1/boards/{board}/action",
        handler=action,
        policy="iot:board_action:post",
        summary="Have a board do an action",
        body=ActionBody,
        answer=Words,
        errors=(409, 500, 504),
        other_answers={202: AcceptedShape},
    ),
    Route(
        method="POST",
        path="/v1/fleets/{fleet}/action",
        handler=fleet_action,
        policy="iot:fleet_action:post",
        summary="Have all boards of a fleet do an action",
        body=FleetActionBody,
        answer=FleetAcceptedShape,
        status=202,
        errors=(409,),
    ),
)

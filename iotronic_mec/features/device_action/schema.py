"""Bodies and answers of actions of boards; parameters in upstream's words.

Each action's model has ``wire``: what travels to the board, see
:mod:`lightning_agent.protocol.device`. Source: spec/iotronic-api.md section 2.2.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated, Any
from urllib.parse import urlencode

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from iotronic_mec.api.fields import Body, Boolean, JSONObject
from iotronic_mec.api.problem import invalid
from iotronic_mec.features.device_action.model import BadActionParameters, find_action
from lightning_agent.protocol.device import (
    DROP,
    KEEP,
    LATEST,
    MAX_DELAY_S,
    MAX_REST_BODY,
    MAX_WORK_S,
    MIN_DELAY_S,
)
from lightning_agent.protocol.outbound import METHODS

MAX_SAY = 65_536

Texts = dict[str, Annotated[str, Field(max_length=8192)]]


class ActionBody(Body):
    """An action and its parameters. ``wait`` false answers 202 at once."""

    action: str = Field(
        max_length=40, description="DevicePing, DeviceEcho, DeviceNetConfig and so on"
    )
    parameters: JSONObject = Field(
        default_factory=dict, description="by action, see the page on actions of the manual"
    )
    wait: Boolean = True


class FleetActionBody(Body):
    """An action for every board of a fleet; the answer is always 202."""

    action: str = Field(
        max_length=40, description="DevicePing, DeviceEcho, DeviceNetConfig and so on"
    )
    parameters: JSONObject = Field(
        default_factory=dict, description="by action, see the page on actions of the manual"
    )


class NoParameters(Body):
    """Of DevicePing and DeviceNetConfig."""

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        return {}


class EchoParameters(Body):
    """Of DeviceEcho."""

    say: str = Field("", max_length=MAX_SAY)

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        return {"say": self.say}


class DelayedParameters(Body):
    """Of DeviceReboot and DeviceRestartLR: ``delay`` in seconds."""

    delay: float = Field(MIN_DELAY_S, ge=MIN_DELAY_S, le=MAX_DELAY_S)

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        return {"delay_s": self.delay}


class UpgradeParameters(Body):
    """Of DeviceUpgradeLR."""

    version: str = Field(LATEST, pattern=r"^(latest|[0-9][0-9A-Za-z.+!_-]{0,63})$")
    update_conf: Boolean = False

    @field_validator("update_conf")
    @classmethod
    def refuse(cls, value: bool) -> bool:
        """Refuse what has no meaning here."""
        if value:
            raise ValueError("the owner's configuration is never replaced; only false is allowed")
        return value

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        return {"version": self.version}


class PackageParameters(Body):
    """Of DevicePkgOperation. ``options`` is a list, or words in one text as upstream's."""

    manager: str = Field(max_length=16)
    command: str = Field(max_length=16)
    package: str = Field("", max_length=256)
    version: str = Field("", max_length=64)
    options: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=16
    )
    timeout: float = Field(900.0, ge=1, le=MAX_WORK_S)

    @field_validator("options", mode="before")
    @classmethod
    def split(cls, value: Any) -> Any:
        """Read words in one text."""
        return value.split() if isinstance(value, str) else value

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        return {
            "manager": self.manager,
            "command": self.command,
            "package": self.package,
            "version": self.version,
            "options": self.options,
            "limit_s": self.timeout,
        }


def _pair(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"user", "password"}:
        return [value["user"], value["password"]]
    return value


class RestParameters(Body):
    """Of DeviceRestSubmit, in the words of Python's ``requests`` as upstream's."""

    url: str = Field(max_length=2048)
    method: str = Field(max_length=10)
    params: dict[str, str | int | float | bool | list[str]] | None = None
    data: str | Texts | None = None
    json_: Any = Field(None, alias="json")
    headers: Texts = Field(default_factory=dict)
    cookies: Texts | None = None
    auth: Annotated[
        list[Annotated[str, Field(max_length=1024)]] | None, BeforeValidator(_pair)
    ] = Field(None, min_length=2, max_length=2, description="[user, password]")
    timeout: float = Field(10.0, ge=0.1, le=40.0)
    allow_redirects: Boolean = False
    verify: Boolean = True
    files: None = Field(None, description="not offered: nothing of the board's disk is sent")
    cert: None = Field(None, description="not offered: nothing of the board's disk is sent")
    proxies: None = Field(None, description="not offered: the board connects by itself")
    stream: None = Field(None, description="not offered: the answer comes whole")

    @field_validator("method")
    @classmethod
    def known(cls, value: str) -> str:
        """Read the method in any case."""
        if value.upper() not in METHODS:
            raise ValueError(f"one of {', '.join(METHODS)} is expected")
        return value.upper()

    @model_validator(mode="after")
    def one_body(self) -> RestParameters:
        """Refuse two bodies."""
        if self.data is not None and self.json_ is not None:
            raise ValueError("data and json exclude one another")
        return self

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        headers = dict(self.headers)
        known = {name.lower() for name in headers}
        body: str | None = None
        kind = "application/x-www-form-urlencoded"
        if isinstance(self.data, dict):
            body = urlencode(self.data)
        elif self.data is not None:
            body = self.data
        elif self.json_ is not None:
            body, kind = json.dumps(self.json_, ensure_ascii=False), "application/json"
        if body is not None and "content-type" not in known and not isinstance(self.data, str):
            headers["Content-Type"] = kind
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{key}={value}" for key, value in self.cookies.items())
        if self.auth:
            pair = base64.b64encode(":".join(self.auth).encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        url = self.url.partition("#")[0]
        if self.params:
            url += ("&" if "?" in url else "?") + urlencode(self.params, doseq=True)
        return {
            "url": url,
            "method": self.method,
            "headers": headers,
            "body": body if body is None else body[: MAX_REST_BODY + 1],
            "timeout_s": self.timeout,
            "redirects": 5 if self.allow_redirects else 0,
            "verify": self.verify,
        }


class ResetParameters(Body):
    """Of DeviceFactoryReset: whether the board stays enrolled."""

    identity: str = Field(KEEP, pattern=f"^({KEEP}|{DROP})$")

    def wire(self) -> dict[str, Any]:
        """Return what travels to the board."""
        return {"identity": self.identity}


PARAMETERS: dict[str, type[Any]] = {
    "DevicePing": NoParameters,
    "DeviceEcho": EchoParameters,
    "DeviceNetConfig": NoParameters,
    "DeviceReboot": DelayedParameters,
    "DeviceRestartLR": DelayedParameters,
    "DeviceUpgradeLR": UpgradeParameters,
    "DevicePkgOperation": PackageParameters,
    "DeviceRestSubmit": RestParameters,
    "DeviceFactoryReset": ResetParameters,
}
"""Action to the model of its parameters."""


def read_parameters(action: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return an action's parameters as they travel.

    :raises InvalidAction: there is no such action
    :raises BadActionParameters: names the parameter and the rule
    """
    find_action(action)
    try:
        read = PARAMETERS[action].model_validate(given)
    except ValidationError as error:
        told = invalid(error, "body")
        raise BadActionParameters(
            f"parameters.{told.message}",
            details={**told.details, "field": f"parameters.{told.details['field']}"},
        ) from error
    return dict(read.wire())

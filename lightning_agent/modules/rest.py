"""REST submit: one HTTP request from the board, to where its owner allows."""

from __future__ import annotations

import json
from typing import Any

from lightning_agent.errors import Busy, Error
from lightning_agent.modules.aside import aside
from lightning_agent.modules.base import Module, Parts, parameters_of, procedure
from lightning_agent.owner import REST, NotAllowed
from lightning_agent.protocol.addresses import AddressRefused
from lightning_agent.protocol.device import RestParameters
from lightning_agent.protocol.messages import OperationCall
from lightning_agent.protocol.outbound import (
    AnswerTooLarge,
    Ask,
    Limits,
    Outbound,
    OutboundFailed,
    OutboundTimeout,
    Reply,
)

MAX_ANSWER_BYTES = 262_144
"""Longest body of an answer that is sent to the cloud."""

MAX_HEADERS = 64
MAX_HEADER = 1024
"""Most headers of an answer that are told, and characters of each."""

MAX_PARALLEL = 4


class RestRefused(Error):
    """The address is not one this board connects to."""

    code = "address_refused"


class RestFailed(Error):
    """No answer came from the address."""

    code = "rest_failed"


class RestTimeout(Error):
    """No whole answer came in time."""

    code = "rest_timeout"


class Rest(Module):
    """``rest.submit``."""

    name = "rest"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._outbound = Outbound(parts.owner.rest)
        self._under_way = 0

    @procedure(effect=True)
    async def submit(self, order: OperationCall) -> dict[str, Any]:
        """Send a request; answer with status, headers and body."""
        wanted = parameters_of(order, RestParameters)
        owner = self.parts.owner
        owner.check(REST)
        if not wanted.verify and not owner.rest_insecure:
            raise NotAllowed(
                "this board's owner has not allowed verify = false: on the board, write "
                "rest_insecure = true into [device] of agent.toml and restart the agent",
                details={"ability": REST},
            )
        if self._under_way >= MAX_PARALLEL:
            raise Busy(f"{MAX_PARALLEL} requests of this board are under way already")
        ask = Ask(
            method=wanted.method,
            url=wanted.url,
            headers=wanted.headers,
            body=None if wanted.body is None else wanted.body.encode(),
            verify=wanted.verify,
        )
        total_s = max(min(wanted.timeout_s, order.remaining_s - 0.5), 0.1)
        limits = Limits(
            total_s=total_s,
            connect_s=min(10.0, total_s),
            answer_bytes=MAX_ANSWER_BYTES,
            redirects=wanted.redirects,
        )
        self._under_way += 1
        try:
            return shown(
                await aside(self.parts.reactor, lambda: self._outbound.send(ask, limits), "rest")
            )
        except AddressRefused as error:
            raise RestRefused(
                f"{error}; the board's owner can allow a network: rest_networks in [device] of "
                "agent.toml"
            ) from error
        except OutboundTimeout as error:
            raise RestTimeout(str(error)) from error
        except AnswerTooLarge as error:
            raise RestFailed(str(error)) from error
        except OutboundFailed as error:
            raise RestFailed(str(error)) from error
        finally:
            self._under_way -= 1


def shown(reply: Reply) -> dict[str, Any]:
    """Return an answer as the cloud gets it: ``json`` where the body is JSON, else ``text``."""
    told: dict[str, Any] = {
        "status": reply.status,
        "url": reply.url,
        "headers": {name: value[:MAX_HEADER] for name, value in reply.headers[:MAX_HEADERS]},
    }
    text = reply.body.decode("utf-8", "replace")
    try:
        told["json"] = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        told["text"] = text
    return told


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")

"""What happens around every handler, in the one order of :func:`ordered`.

1. request id and exchange; 2. version; (Pecan asks the table for the route;)
3. who is asking, and not too often; 4. may they, before the body is read. Errors of all of them
and of the handler become JSON in :class:`Errors`, the API's outer rim.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from pecan.hooks import PecanHook
from webob.exc import HTTPException

from iotronic_mec import metrics
from iotronic_mec.api import versions
from iotronic_mec.api.auth import Authenticator, Credentials
from iotronic_mec.api.controller import Rights
from iotronic_mec.api.exchange import KEY, Exchange, exchange_of, respond
from iotronic_mec.api.problem import (
    MethodNotAllowed,
    ProjectNeeded,
    problem,
)
from iotronic_mec.api.rate import Rates
from iotronic_mec.context import DEFAULT_TIMEOUT_S, Context
from iotronic_mec.errors import BadRequest, Error, Forbidden, Unauthenticated
from iotronic_mec.feature import PUBLIC
from lightning_agent.protocol.log_lines import NOBODY, Asking, set_asking

LOG = logging.getLogger(__name__)
ACCESS = logging.getLogger("iotronic_mec.access")
"""One line for each request; its level says whether they are wanted: ``[log] access``."""

REQUEST_ID = "Openstack-Request-Id"

SECURITY = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Referrer-Policy", "no-referrer"),
)
"""On every answer that does not say otherwise."""


SERVED = "iotronic.served"
"""Key of the environment, never a header: how many requests of this sender the gateway
has answered by itself since it asked last."""

LEFT = "X-IoT-Requests-Left"
"""Header of the answer to such a question: how many more it may answer; none, any number."""

NO_ROUTE = "none"
"""In logs, what stands for the address of a request no route was found for."""

CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx", *("other",) * 4)
"""Hundreds of a status to its class."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def method_of(environ: Mapping[str, Any]) -> str:
    """Return the request's method, ``other`` for one that is not HTTP's usual."""
    method = str(environ.get("REQUEST_METHOD", ""))
    return method if method in _METHODS else "other"


class Begin(PecanHook):  # type: ignore[misc]
    """Gives the request its id; puts id and collected headers on the answer."""

    def on_route(self, state: Any) -> None:
        """Make the exchange."""
        exchange = exchange_of(state.request.environ)
        exchange.began_s = time.perf_counter()
        set_asking(Asking(exchange.request_id))

    def after(self, state: Any) -> None:
        """Put the headers on the answer."""
        # none was made when Pecan could not even decode the path
        exchange = exchange_of(state.request.environ)
        listed = state.response.headerlist
        names = {name.lower() for name, _ in listed}
        listed.append((REQUEST_ID, exchange.request_id))
        listed += [pair for pair in SECURITY if pair[0].lower() not in names]
        if exchange.under_v1:
            listed += versions.RANGE
            if exchange.version is not None:
                listed.append((versions.HEADER, exchange.version))
            listed.append(("Vary", f"{versions.HEADER}, Authorization, X-Auth-Token"))
        listed += exchange.headers
        self._tell(exchange, state.response.status_int)
        set_asking(NOBODY)

    @staticmethod
    def _tell(exchange: Exchange, status: int) -> None:
        """Count and log the request by its route's template: a path may hold what is secret."""
        took_s = time.perf_counter() - exchange.began_s
        match = exchange.match
        method = match.route.method if match else method_of(exchange.environ)
        route = match.route.path if match else NO_ROUTE
        metrics.HTTP.add(took_s, method, route, CLASSES[status // 100])
        if not ACCESS.isEnabledFor(logging.INFO):
            return
        took_ms = round(took_s * 1000, 3)
        fields = {"method": method, "route": route, "status": status, "duration_ms": took_ms}
        ACCESS.info("%s %s %d %.1f ms", method, route, status, took_ms, extra={"fields": fields})


class Version(PecanHook):  # type: ignore[misc]
    """Settles the version of the API for what lies under ``/v1``."""

    def on_route(self, state: Any) -> None:
        """Refuse versions that are not served."""
        environ = state.request.environ
        exchange: Exchange = environ[KEY]
        if exchange.under_v1:
            exchange.version = versions.effective(environ)


class Authentication(PecanHook):  # type: ignore[misc]
    """Finds out who is asking, unless the route is for anyone; and not too often."""

    def __init__(self, authenticator: Authenticator, rates: Rates) -> None:
        self._authenticator = authenticator
        self._rates = rates

    def before(self, state: Any) -> None:
        """Make the request's context."""
        environ = state.request.environ
        exchange: Exchange = environ[KEY]
        deadline = time.monotonic() + DEFAULT_TIMEOUT_S
        if exchange.match is None or exchange.match.route.policy == PUBLIC:
            exchange.context = Context(
                user="", project="", request_id=exchange.request_id, deadline=deadline
            )
            return
        identity = self._authenticator.authenticate(
            Credentials(
                authorization=environ.get("HTTP_AUTHORIZATION", ""),
                token=environ.get("HTTP_X_AUTH_TOKEN", ""),
                project=environ.get("HTTP_X_IOT_PROJECT"),
                address=environ.get("REMOTE_ADDR", ""),
                method=environ["REQUEST_METHOD"],
                path=environ.get("PATH_INFO", "/"),
            )
        )
        exchange.context = Context(
            user=identity.user,
            user_name=identity.user_name,
            project=identity.project,
            roles=identity.roles,
            request_id=exchange.request_id,
            deadline=deadline,
        )
        set_asking(exchange.context.asking())
        served = environ.get(SERVED)
        if served is None:
            self._rates.check(exchange.context)
            return
        # the gateway asks for a sender whom it has answered by itself since
        self._rates.check(exchange.context, int(served))
        left = self._rates.left(exchange.context)
        if left is not None:
            exchange.headers.append((LEFT, str(left)))


class Right(PecanHook):  # type: ignore[misc]
    """Asks the policy for the route's right; a route without one is denied."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    def before(self, state: Any) -> None:
        """Refuse who may not."""
        exchange: Exchange = state.request.environ[KEY]
        match, context = exchange.match, exchange.context
        if match is None or context is None or not match.route.policy:
            raise Forbidden("no policy allows this")
        if match.route.policy != PUBLIC:
            own = {"project": context.project, "user": context.user}
            self._rights.enforce(match.route.policy, context, own)
            if not context.project and match.route.policy.endswith(":create"):
                # an operator of the whole system is in no project
                raise ProjectNeeded()


class Errors(PecanHook):  # type: ignore[misc]
    """The rim: every error leaves as JSON, and those not ours as a generic one."""

    def __init__(self, challenge: str) -> None:
        self._challenge = challenge

    def on_error(self, state: Any, error: Exception) -> Any:
        """Return the answer of an error."""
        exchange = exchange_of(state.request.environ)
        found: Exception = error
        if exchange.match is None and isinstance(error, UnicodeDecodeError):
            found = BadRequest("the address is not UTF-8", details={"in": "path"})
        return error_answer(state.response, found, exchange.request_id, self._challenge)


def error_answer(response: Any, error: Exception, request_id: str, challenge: str) -> Any:
    """Fill in the response for an error; log what is not one of ours."""
    if isinstance(error, HTTPException):
        error = _from_http(error)
    if not isinstance(error, Error):
        LOG.error("request %s failed", request_id, exc_info=error)
        error = Error("internal error; the logs hold more under the request id")
    wire = error.to_wire()
    status = int(wire["http_status"])
    headers = error_headers(error)
    if status == 401:
        headers["WWW-Authenticate"] = challenge
    return respond(response, status, problem(wire, request_id), headers)


def error_headers(error: Error) -> dict[str, str]:
    """Return the headers that go with an error."""
    if isinstance(error, MethodNotAllowed):
        return {"Allow": ", ".join(error.allow)}
    if error.http_status == 429:
        return {"Retry-After": str(error.details.get("retry_after_s", 60))}
    return {"Retry-After": "2"} if error.http_status == 503 else {}


def _from_http(error: Any) -> Error:
    """Turn what Pecan or WebOb raise into ours."""
    if error.status_int >= 500:
        return Error("internal error; the logs hold more under the request id")
    if error.status_int == 401:
        return Unauthenticated()
    return BadRequest(str(error.detail or error.explanation)[:500])


def ordered(authenticator: Authenticator, rights: Rights, rates: Rates) -> tuple[Any, ...]:
    """Return all hooks, in the order in which they see a request."""
    hooks: tuple[Any, ...] = (
        Begin(),
        Errors(authenticator.challenge),
        Version(),
        Authentication(authenticator, rates),
        Right(rights),
    )
    for place, hook in enumerate(hooks):
        hook.priority = place
    return hooks

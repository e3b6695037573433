"""The WSGI application: Pecan, one root, one table of routes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import webob
from oslo_middleware.http_proxy_to_wsgi import HTTPProxyToWSGI

from iotronic_mec.api import body, idempotency, system
from iotronic_mec.api.auth import Authenticator
from iotronic_mec.api.controller import Answer, Bytes, Call, Reads, Rights
from iotronic_mec.api.exchange import KEY, Exchange, RequestHeaders, base_url, respond, to_json
from iotronic_mec.api.hooks import error_headers, ordered
from iotronic_mec.api.idempotency import Rendered
from iotronic_mec.api.one_root import OneRoot
from iotronic_mec.api.problem import problem
from iotronic_mec.api.rate import Rates
from iotronic_mec.api.routing import Table
from iotronic_mec.clock import Clock
from iotronic_mec.errors import Error
from iotronic_mec.feature import Feature, Settings
from iotronic_mec.rpc.client import Conductor

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machinery:
    """What every handler is given, the same for all requests."""

    settings: Settings
    conductor: Conductor
    database: Reads
    storage: Bytes
    clock: Clock
    rights: Rights


class Root:
    """Pecan's root controller: finds the route and runs it.

    :param machinery: what handlers are given
    """

    def __init__(self, table: Table, machinery: Machinery) -> None:
        self._table = table
        self._machinery = machinery

    def _route(self, segments: list[str], request: Any) -> tuple[Any, list[str]]:
        environ = request.environ
        exchange: Exchange = environ[KEY]
        exchange.match = self._table.find(segments, environ["REQUEST_METHOD"])
        return self.handle, []

    def handle(self, request: Any, response: Any) -> Any:
        """Read query and body, run the handler, and encode what it returns."""
        exchange: Exchange = request.environ[KEY]
        with ExitStack() as stack:
            made = self._answer(exchange, stack)
        return respond(response, made.status, made.body, made.headers, made.media_type)

    def _answer(self, exchange: Exchange, stack: ExitStack) -> Rendered:
        environ, match, context = exchange.environ, exchange.match, exchange.context
        if match is None or context is None:
            raise Error("a request passed the hooks without route or context")
        route, machinery = match.route, self._machinery
        question = environ.get("QUERY_STRING", "")
        arguments, query = body.read_query(route, question)
        context = idempotency.with_key(
            context, route.method, match.address, environ.get("HTTP_IDEMPOTENCY_KEY")
        )
        received = body.read_body(route, environ, machinery.settings.max_bundle_bytes, stack)
        call = Call(
            context=context,
            route=route,
            settings=machinery.settings,
            conductor=machinery.conductor,
            database=machinery.database,
            storage=machinery.storage,
            rights=machinery.rights,
            clock=machinery.clock,
            path=match.path,
            body=received.body,
            query=query,
            files=received.files,
            headers=RequestHeaders(environ),
            base_url=base_url(environ, machinery.settings.public_url),
            request_path=match.address,
            arguments=arguments,
        )
        if context.idempotency is None:
            return _rendered(call, route.handler(call))
        return idempotency.once(
            machinery.conductor,
            context,
            received.digest,
            question,
            lambda salted: _run(replace(call, context=salted)),
        )


def _run(call: Call) -> Rendered:
    """Run the handler; its errors are answers, which may be stored."""
    try:
        return _rendered(call, call.route.handler(call))
    except Error as error:
        wire = error.to_wire()
        body = problem(wire, call.context.request_id)
        return Rendered(wire["http_status"], body, error_headers(error))


def _rendered(call: Call, result: Any) -> Rendered:
    """Encode what a handler returned."""
    route = call.route
    if not isinstance(result, Answer):
        if result is None:
            return Rendered(204 if route.status == 200 else route.status, b"")
        if route.media_type != "application/json" and isinstance(result, bytes):
            return Rendered(route.status, result, {}, route.media_type)
        return Rendered(route.status, to_json(result))
    headers = dict(result.headers)
    status = result.status or route.status
    if result.media_type is not None:
        if result.length is not None:
            headers["Content-Length"] = str(result.length)
        return Rendered(status, result.body, headers, result.media_type)
    if status == 204:
        return Rendered(status, b"", headers)
    return Rendered(status, to_json(result.body), headers)


def build(
    features: Iterable[Feature],
    settings: Settings,
    conductor: Conductor,
    database: Reads,
    storage: Bytes,
    clock: Clock,
    authenticator: Authenticator,
    enforcer: Rights,
) -> Application:
    """Build the application from the features' routes and the machinery's own.

    :param database: only read
    :raises ValueError: two routes have the same method and path
    """
    machinery = Machinery(
        settings=settings,
        conductor=conductor,
        database=database,
        storage=storage,
        clock=clock,
        rights=enforcer,
    )
    rates = Rates(settings.project_rate, settings.user_rate, clock)
    application: Application = OneRoot(
        Root(table(features), machinery),
        hooks=ordered(authenticator, enforcer, rates),
        request_cls=webob.Request,
    )
    if settings.trust_proxy_headers:
        proxied: Application = HTTPProxyToWSGI(
            application, {"enable_proxy_headers_parsing": True, "oslo_config_project": "iotronic"}
        )
        return proxied
    return application


def table(features: Iterable[Feature]) -> Table:
    """Return the table of all routes, for tests and generators."""
    listed = tuple(features)
    return Table((*system.routes(listed), *(r for f in listed for r in f.routes)))

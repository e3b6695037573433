"""One call to the cloud: address, headers, retries, errors.

Every POST carries an ``Idempotency-Key``, the same one in each attempt, so
that repeating it is safe; reads, PUT, PATCH and DELETE are safe by nature. So
a call is repeated, a bounded number of times with growing, jittered pauses,
when the connection fails or the cloud answers 503, or says that the first
attempt is still under way, or that there are too many requests and that it is
but a moment (429, ``Retry-After``). A time-out is not repeated.

Redirects are not followed, and paging keeps to the first address: credentials
go nowhere but to the endpoint.
"""

from __future__ import annotations

import logging
import random
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from keystoneauth1 import adapter, exceptions, session

from iotronic_mec import __version__
from iotronic_mec.sdk import errors

LOG = logging.getLogger(__name__)

SERVICE_TYPE = "iot"
"""What the service is called in Keystone's catalog."""

API_VERSION = "1.10"
"""Version of the API this client asks for."""

VERSION_HEADER = "X-OpenStack-Iotronic-API-Version"
IDEMPOTENCY_HEADER = "Idempotency-Key"
REQUEST_HEADER = "X-IoT-Request"
"""Names the request (order) that an action has made."""

TIMEOUT_S = 75.0
"""Seconds to wait for an answer; chosen above the cloud's own limit of 60."""

STILL_RUNNING = "iot.idempotency.busy"
"""Code of the 409 that says: the first attempt with this key is under way."""

Json = Any
"""Anything JSON can hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How often and how fast calls are repeated, and where the time comes from.

    :param attempts: attempts of one call in all, >= 1
    :param first_delay_s: longest pause after the first attempt; doubled each time
    :param longest_delay_s: longest pause of all
    :param jitter: draws the pause, evenly from a range
    """

    attempts: int = 4
    first_delay_s: float = 0.4
    longest_delay_s: float = 4.0
    jitter: Callable[[float, float], float] = random.SystemRandom().uniform
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic

    def pause(self, attempt: int, at_least_s: float = 0.0) -> None:
        """Wait after attempt number ``attempt``, from 1."""
        span = min(self.longest_delay_s, self.first_delay_s * 2 ** (attempt - 1))
        self.sleep(max(self.jitter(span / 4, span), min(at_least_s, self.longest_delay_s)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One logical call, whatever number of attempts it takes.

    :param path: from the root, ``/v1/…``, encoded
    :param query: arguments; ``None`` and missing are the same
    :param json: body as JSON, or
    :param form: body as multipart: field to text, or to (file name, bytes)
    :param idempotency_key: for POST; ``None`` makes a new one
    :param secret: the bodies hold secrets: log nothing of them
    :param stream: the answer's body is read by the caller
    """

    method: str
    path: str
    query: Mapping[str, Json] = field(default_factory=dict)
    json: Json = None
    form: Mapping[str, str | tuple[str, bytes]] | None = None
    idempotency_key: str | None = None
    secret: bool = False
    stream: bool = False


class Transport:
    """Sends calls to one cloud; blocks; use one per thread.

    :param endpoint: root of the API, with or without ``/v1``; ``None`` asks
        the session's authentication plugin
    :param timeout_s: seconds to wait for an answer, > 0
    """

    def __init__(
        self,
        session: session.Session,
        *,
        endpoint: str | None = None,
        region_name: str | None = None,
        interface: str | None = None,
        timeout_s: float = TIMEOUT_S,
        pace: Pace | None = None,
    ) -> None:
        self.pace = pace or Pace()
        self._timeout_s = timeout_s
        self._adapter = adapter.Adapter(
            session,
            service_type=SERVICE_TYPE,
            interface=interface,
            region_name=region_name,
            client_name="iotronic-mec-sdk",
            client_version=__version__,
        )
        self._root = root_of(endpoint) if endpoint else None

    @property
    def endpoint(self) -> str:
        """Root of the API, without ``/v1`` and without a slash at its end.

        :raises NoEndpoint: when neither was it given nor does a catalog have it
        """
        if self._root is None:
            try:
                found = self._adapter.get_endpoint()
            except exceptions.ClientException as error:
                raise _translated(error) from error
            if not found:
                raise errors.NoEndpoint("the credentials name no address of the IoT service")
            self._root = root_of(found)
        return self._root

    def send(self, call: Call) -> requests.Response:
        """Make a call and return the answer, which is below 300.

        Blocks up to ``attempts`` times the time-out.

        :raises CannotConnect: no connection, after all attempts
        :raises NoAnswer: connected, but no answer within the time-out
        :raises AnswerError: a subclass by status
        """
        headers = {VERSION_HEADER: API_VERSION}
        if call.method == "POST":
            headers[IDEMPOTENCY_HEADER] = call.idempotency_key or str(uuid.uuid4())
        attempt = 1
        while True:
            last = attempt >= self.pace.attempts
            try:
                response = self._attempt(call, headers)
            except (errors.NoAnswer, errors.CertificateRefused):
                raise
            except errors.CannotConnect as error:
                if last:
                    raise
                LOG.info("attempt %d of %s %s: %s", attempt, call.method, call.path, error)
                self.pace.pause(attempt)
            else:
                failure = _failure(call, response, attempt)
                if failure is None:
                    return response
                wait_s = _retry_after_s(response)
                if last or not self._is_passing(failure, wait_s):
                    raise failure
                LOG.info("attempt %d of %s %s: %s", attempt, call.method, call.path, failure)
                self.pace.pause(attempt, wait_s)
            attempt += 1

    def json(self, call: Call) -> Json:
        """Make a call and return its body as JSON.

        :raises UnexpectedAnswer: when the body is no JSON
        """
        return json_of(self.send(call))

    def _is_passing(self, failure: errors.AnswerError, wait_s: float) -> bool:
        if isinstance(failure, errors.TooManyRequests):
            # coming back earlier than told would only be refused again
            return wait_s <= self.pace.longest_delay_s
        return isinstance(failure, errors.Unavailable) or failure.code == STILL_RUNNING

    def _attempt(self, call: Call, headers: Mapping[str, str]) -> requests.Response:
        body: dict[str, Any] = _direct(self.endpoint)
        if call.json is not None:
            body["json"] = call.json
        if call.form is not None:
            body["files"] = {name: _part(value) for name, value in call.form.items()}
        try:
            return self._adapter.request(
                self.endpoint + call.path,
                call.method,
                params=_arguments(call.query),
                headers=dict(headers),
                raise_exc=False,
                redirect=False,
                log=not (call.secret or call.stream),
                stream=call.stream,
                timeout=self._timeout_s,
                **body,
            )
        except exceptions.ClientException as error:
            raise _translated(error) from error


def root_of(url: str) -> str:
    """Return a service's root: the URL without ``/v1`` and slashes at its end.

    >>> root_of("http://[::1]:1288/v1/"), root_of("http://host:18881")
    ('http://[::1]:1288', 'http://host:18881')
    """
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def json_of(response: requests.Response) -> Json:
    """Return an answer's body.

    :raises UnexpectedAnswer: when it is no JSON
    """
    try:
        return response.json()
    except ValueError as error:
        raise errors.UnexpectedAnswer(
            "the answer is no JSON; is this the address of an IoTronic cloud?",
            status=response.status_code,
        ) from error


def _direct(root: str) -> dict[str, Any]:
    """Return what keeps calls to this machine away from a proxy of the environment."""
    host = urlsplit(root).hostname or ""
    try:
        is_here = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_here = False
    return {"proxies": {"no_proxy": host}} if is_here else {}


def _arguments(query: Mapping[str, Json]) -> dict[str, Json]:
    words = {True: "true", False: "false"}
    return {
        key: words[value] if isinstance(value, bool) else value
        for key, value in query.items()
        if value is not None
    }


def _part(value: str | tuple[str, bytes]) -> tuple[str | None, str | bytes]:
    return (None, value) if isinstance(value, str) else value


def _failure(call: Call, response: requests.Response, attempt: int) -> errors.AnswerError | None:
    if response.status_code < 300:
        return None
    if call.method == "DELETE" and response.status_code == 404 and attempt > 1:
        return None  # an earlier attempt, whose answer was lost, has done it
    return errors.from_response(response)


def _retry_after_s(response: requests.Response) -> float:
    stated = response.headers.get("Retry-After", "")
    return float(stated) if stated.isdecimal() else 0.0


def _translated(error: exceptions.ClientException) -> errors.Error:
    text = str(error) or type(error).__name__
    if isinstance(error, exceptions.SSLError):
        return errors.CertificateRefused(text)
    if isinstance(error, exceptions.ConnectTimeout):
        return errors.NoAnswer(text)
    if isinstance(error, exceptions.ConnectionError):
        return errors.CannotConnect(text)
    if isinstance(error, exceptions.EndpointNotFound | exceptions.EmptyCatalog):
        return errors.NoEndpoint(text)
    if isinstance(error, exceptions.HttpError):
        return errors.Unauthenticated(
            f"the identity service refused: {text}",
            status=error.http_status,
            request_id=error.request_id,
        )
    return errors.Unauthenticated(text)

"""Requests: orders to boards, their results, and waiting for their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from iotronic_mec.sdk.answer import SUCCEEDED, Answer, text_of
from iotronic_mec.sdk.errors import OperationFailed, WaitTimeout
from iotronic_mec.sdk.names import segment
from iotronic_mec.sdk.paging import iter_items
from iotronic_mec.sdk.resource import MOMENT, Resource
from iotronic_mec.sdk.transport import Call, Json, Transport

PATH = "/v1/requests"

WAIT_S = 300.0
"""Seconds a wait lasts unless told otherwise."""

FIRST_POLL_S = 0.05
LONGEST_POLL_S = 2.0
POLL_SHARE = 0.15
"""Pauses between two looks at a request: this share of the time waited so far,
within these seconds; so an end is noticed at most that share too late."""

TERMINAL = frozenset({"succeeded", "failed", "timed_out", "cancelled", "rejected", "lost"})
"""States of a request that has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request(Resource):
    """One order: the sum of its results. ``status`` is IoTronic's word."""

    uuid: str
    destination_uuid: str | None = None
    main_request_uuid: str | None = None
    pending_requests: int | None = None
    total: int | None = None
    status: str | None = None
    state: str | None = None
    cause: Json = None
    project: str | None = None
    user: str | None = None
    type: int | None = None
    action: str | None = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)
    deadline_at: datetime | None = field(default=None, metadata=MOMENT)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status == "COMPLETED" if self.state is None else self.state in TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Result(Resource):
    """What one board made of an order. ``result`` is IoTronic's word."""

    uuid: str | None = None
    board_uuid: str
    request_uuid: str | None = None
    result: str | None = None
    message: Json = None
    state: str | None = None
    cause: Json = None
    created_at: datetime | None = field(default=None, metadata=MOMENT)
    updated_at: datetime | None = field(default=None, metadata=MOMENT)

    @property
    def succeeded(self) -> bool:
        """Whether the board carried the order out."""
        if self.state is None:
            return self.result in ("SUCCESS", "WARNING")
        return self.state == SUCCEEDED


Progress = Callable[[Request, float], None]
"""Called after each look at a request, with the seconds waited so far."""


class Requests:
    """The orders of the caller's project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def iterate(self, *, limit: int | None = None, **filters: Json) -> Iterator[Request]:
        """Yield requests.

        :param filters: ``state``, ``sort_key``, ``sort_dir``
        """
        items = iter_items(self._transport, PATH, "requests", query=filters, limit=limit)
        return map(Request.from_wire, items)

    def get(self, request: str) -> Request:
        """Return one request.

        :raises NotFound: there is none of this uuid
        """
        return Request.from_wire(self._transport.json(Call(method="GET", path=_path(request))))

    def results(self, request: str) -> list[Result]:
        """Return what the boards have made of a request so far."""
        return list(self.iterate_results(request))

    def iterate_results(
        self, request: str, *, limit: int | None = None, **filters: Json
    ) -> Iterator[Result]:
        """Yield what the boards have made of a request so far.

        :param filters: ``state``, ``board``, ``sort_key``, ``sort_dir``
        """
        path = f"{_path(request)}/results"
        items = iter_items(self._transport, path, "results", query=filters, limit=limit)
        return map(Result.from_wire, items)

    def cancel(self, request: str) -> None:
        """End a request that has not been sent to its board yet.

        :raises Conflict: it was sent, or has ended
        """
        self._transport.send(Call(method="DELETE", path=_path(request)))

    def wait(
        self, request: str, *, timeout_s: float = WAIT_S, progress: Progress | None = None
    ) -> Request:
        """Return a request when it has ended, however it did.

        Blocks up to about ``timeout_s``.

        :param timeout_s: seconds, > 0
        :raises WaitTimeout: it had not ended by then; it goes on
        """
        pace = self._transport.pace
        began = pace.monotonic()
        while True:
            seen = self.get(request)
            waited_s = pace.monotonic() - began
            if progress is not None:
                progress(seen, waited_s)
            if seen.ended:
                return seen
            if waited_s >= timeout_s:
                raise WaitTimeout(
                    f"request {seen.uuid} has not ended within {timeout_s:g} s; it goes on",
                    details={"request": seen.uuid, "state": seen.state or seen.status},
                )
            pause_s = max(FIRST_POLL_S, min(LONGEST_POLL_S, waited_s * POLL_SHARE))
            pace.sleep(min(pause_s, timeout_s - waited_s))

    def finish(
        self, answer: Answer, *, timeout_s: float = WAIT_S, progress: Progress | None = None
    ) -> Answer:
        """Return an action's answer, waiting for its request where it has one.

        :raises WaitTimeout: it had not ended within ``timeout_s``
        :raises OperationFailed: it ended otherwise than by success
        """
        if answer.done or answer.request is None:
            return answer
        ended = self.wait(answer.request, timeout_s=timeout_s, progress=progress)
        results = self.results(ended.uuid)
        failed = next((each for each in results if not each.succeeded), None)
        if ended.state not in (None, SUCCEEDED) or failed is not None:
            raise _failure(ended, failed)
        text = text_of(results[0].message) if results else ""
        return Answer(request=ended.uuid, state=SUCCEEDED, text=text)


def _failure(request: Request, result: Result | None) -> OperationFailed:
    """Build the error the cloud would have answered had it been waited for."""
    stated = request.cause or (result.cause if result is not None else None)
    cause = dict(stated) if isinstance(stated, Mapping) else {}
    state = request.state or (result.state if result is not None else None) or "failed"
    said = cause.get("message") or (text_of(result.message) if result is not None else None)
    own = str(cause.get("code", ""))
    return OperationFailed(
        str(said or f"the request ended as {state}"),
        code=own if own.startswith("iot.") else f"iot.operation.{state}",
        details={"request": request.uuid, "state": state, "cause": cause},
    )


def _path(request: str) -> str:
    return f"{PATH}/{segment(request, 'request')}"

"""Reports of boards on their way to the conductor.

Who reports is what the router says (``caller_authid``), never what the message
says. Messages are checked here, decided upon in the core. Reactor thread only.
"""
# autobahn says it is typed, and most of its functions are not
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from autobahn.wamp.exception import ApplicationError
from autobahn.wamp.types import CallDetails
from twisted.internet.defer import Deferred

from iotronic_mec import errors
from lightning_agent.protocol import messages, names, version
from lightning_agent.protocol.errors import (
    BadMessage,
    Busy,
    CodeUnknownOrUsed,
    NotReady,
    WireError,
)

LOG = logging.getLogger(__name__)

REPORT_LIMIT_S = 15.0
"""Seconds the conductor may take for one report; the agent waits longer."""

Procedure = Callable[..., Awaitable[dict[str, Any]]]


class Inbound:
    """The procedures boards may call.

    :param call: calls the conductor: method of ``board``, arguments, time limit
    :param peer: the address of a session
    :param enrolled: told the session, public key and answer of an enrolment
    """

    def __init__(
        self,
        call: Callable[[str, dict[str, Any], float], Deferred[Any]],
        peer: Callable[[int], str],
        enrolled: Callable[[int, str, messages.Enrolled], None],
    ) -> None:
        self._call = call
        self._peer = peer
        self._enrolled = enrolled

    def procedures(self) -> dict[str, Procedure]:
        """Return what to register, by URI."""
        served = {
            names.ENROL: self._enrol,
            names.JOIN: self._join,
            names.REPORT: self._report,
            names.OPERATIONS: self._operations,
            names.RESULTS: self._results,
            names.LEASES: self._leases,
        }
        return {uri: at_rim(uri, procedure) for uri, procedure in served.items()}

    async def _enrol(self, wire: object, details: CallDetails) -> dict[str, Any]:
        enrol = messages.Enrol.from_wire(wire)
        prefix, _, row = str(details.caller_authid).partition(":")
        if prefix != names.CODE_AUTHID or not row.isdecimal():
            raise CodeUnknownOrUsed("this session holds no enrolment code")
        if not version.is_accepted(enrol.protocol):
            raise BadMessage(f"Enrol.protocol: {enrol.protocol} is not spoken here")
        session = details.caller or 0
        answer = messages.Enrolled.from_wire(
            await self._call(
                "enrolled",
                {
                    "row": int(row),
                    "public_key": enrol.public_key,
                    "agent_version": enrol.agent_version,
                    "hostname": enrol.hostname,
                    "peer": self._peer(session),
                },
                REPORT_LIMIT_S,
            )
        )
        self._enrolled(session, enrol.public_key, answer)
        return answer.to_wire()

    async def _join(self, wire: object, details: CallDetails) -> dict[str, Any]:
        join = messages.Join.from_wire(wire)
        if not version.is_accepted(join.protocol):
            raise BadMessage(f"Join.protocol: {join.protocol} is not spoken here")
        return await self._tell(
            "joined", details, {"session": details.caller, "join": join.to_wire()}
        )

    async def _report(self, wire: object, details: CallDetails) -> dict[str, Any]:
        report = messages.Report.from_wire(wire)
        return await self._tell("report", details, {"report": report.to_wire()})

    async def _operations(self, wire: object, details: CallDetails) -> dict[str, Any]:
        listed = messages.OperationList.from_wire(wire)
        return await self._tell("operations", details, {"operations": listed.to_wire()})

    async def _results(self, wire: object, details: CallDetails) -> dict[str, Any]:
        results = messages.Results.from_wire(wire)
        return await self._tell("results", details, {"results": results.to_wire()})

    async def _leases(self, wire: object, details: CallDetails) -> dict[str, Any]:
        listed = messages.LeaseList.from_wire(wire)
        return await self._tell("leases", details, {"leases": listed.to_wire()})

    async def _tell(
        self, method: str, details: CallDetails, arguments: dict[str, Any]
    ) -> dict[str, Any]:
        board = str(details.caller_authid)
        answer = await self._call(method, {"board": board, **arguments}, REPORT_LIMIT_S)
        return answer if isinstance(answer, dict) else {}


def at_rim(uri: str, procedure: Procedure) -> Procedure:
    """Wrap a procedure: one dictionary in, known errors out as their URIs."""

    async def serve(*args: Any, details: CallDetails, **_: Any) -> dict[str, Any]:
        try:
            return await procedure(args[0] if args else None, details)
        except (WireError, errors.Error) as error:
            raise to_application_error(error) from error
        except Exception as error:  # the outer rim of WAMP in this process
            LOG.exception("report %s of %s failed", uri, details.caller_authid)
            raise ApplicationError(WireError.uri, "internal error") from error

    return serve


def to_application_error(error: WireError | errors.Error) -> ApplicationError:
    """Return the error a board is shown: its URI, a sentence, and details."""
    if isinstance(error, WireError):
        uri = error.uri
    elif isinstance(error, errors.Busy):
        uri = Busy.uri
    elif isinstance(error, errors.Unavailable | errors.DeadlineExceeded):
        uri = NotReady.uri
    else:
        code = error.remote_code if isinstance(error, errors.RemoteError) else error.code
        uri = code if code.startswith("iotronic.error.") else WireError.uri
    if error.details:
        return ApplicationError(uri, error.message, details=error.details)
    return ApplicationError(uri, error.message)

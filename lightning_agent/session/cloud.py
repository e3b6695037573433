"""The cloud as the agent sees it: calls to its procedures over the session of the moment."""

from __future__ import annotations

from typing import Any, TypeVar

import msgpack
from autobahn.wamp.exception import ApplicationError, SerializationError, TransportLost

from lightning_agent.errors import Error
from lightning_agent.protocol.errors import BY_URI, BadMessage, TooLarge, WireError
from lightning_agent.protocol.messages import MAX_MESSAGE_BYTES, Message
from lightning_agent.session.transport import Session
from lightning_agent.waiting import wait_for

CALL_LIMIT_S = 15.0
"""For one report; the cloud answers in milliseconds or is in trouble."""

Answer = TypeVar("Answer", bound=Message)


class CloudAway(Error):
    """There is no session, it ended during the call, or no answer came in time."""

    code = "cloud_away"


class Cloud:
    """Calls over whatever session there is; reactor thread only."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.session: Session | None = None
        """Set while a session is joined."""

    async def call(self, procedure: str, message: Message, answer: type[Answer]) -> Answer:
        """Call the cloud and check its answer.

        :raises CloudAway: nobody answered; the call may have had its effect
        :raises WireError: the cloud refused, or its answer is not understood
        """
        return answer.from_wire(await self._send(procedure, message))

    async def tell(self, procedure: str, message: Message) -> None:
        """Call the cloud for the effect only, see :meth:`call`."""
        await self._send(procedure, message)

    async def _send(self, procedure: str, message: Message) -> Any:
        session = self.session
        if session is None:
            raise CloudAway("no session with the cloud")
        wire = message.to_wire()
        size = len(msgpack.packb(wire, use_bin_type=True))
        if size > MAX_MESSAGE_BYTES:
            raise TooLarge(f"{type(message).__name__} has {size} bytes")
        try:
            pending = session.call(procedure, wire)
            return await wait_for(
                self._reactor, pending, CALL_LIMIT_S, lambda: CloudAway("no answer in time")
            )
        except TransportLost as error:
            raise CloudAway("the session ended") from error
        except SerializationError as error:
            raise BadMessage(f"{type(message).__name__}: {error}") from error
        except ApplicationError as error:
            raise _refusal(error) from error


def _refusal(error: ApplicationError) -> Error | WireError:
    if error.error in ("wamp.error.canceled", "wamp.error.no_such_procedure"):
        return CloudAway(error.error_message())
    found = BY_URI.get(error.error)
    text = str(error.args[0]) if error.args else error.error
    if found is None:
        return WireError(f"{error.error}: {text}")
    return found(text)

"""First contact: a one-time code becomes an identity.

The key is made and durably stored before anything is sent, so a crash, or an
answer lost on the way, is cured by enrolling again: the cloud recognises the
same key with the same code for some minutes.
"""

from __future__ import annotations

import logging
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_agent.conf import CloudConf, write_cloud
from lightning_agent.errors import Error, StorageFailed
from lightning_agent.protocol import names
from lightning_agent.protocol.errors import (
    CLOSE_ENROLLED,
    BadMessage,
    CodeUnknownOrUsed,
    WireError,
)
from lightning_agent.protocol.messages import Enrol, Enrolled
from lightning_agent.protocol.version import PROTOCOL_VERSION
from lightning_agent.session.backoff import Schedule, SessionEnd
from lightning_agent.session.cloud import Cloud, CloudAway
from lightning_agent.session.component import Attempt
from lightning_agent.session.transport import CodeLogin, Connection, Login, Session, Target
from lightning_agent.session.version import AGENT_VERSION
from lightning_agent.state.identity import BoardKey, Identity, store_identity
from lightning_agent.state.lease import store_key
from lightning_agent.waiting import sleep

LOG = logging.getLogger(__name__)

DEFAULT_PATIENCE_S = 60.0
"""How long a cloud that cannot be reached is tried."""


class CodeRefused(Error):
    """The cloud does not take the code; only another code helps."""

    code = "code_refused"


class EnrolmentRefused(Error):
    """The cloud took the code but not the board; the message says why."""

    code = "enrolment_refused"


class Enrolment:
    """Enrols the board of one state directory; reactor thread only.

    :param connect: makes one attempt to connect; tests give another
    """

    def __init__(
        self,
        reactor: Any,
        state_dir: Path,
        target: Target,
        *,
        connect: Callable[[Any, Target, Login], Attempt] = Connection,
    ) -> None:
        self._connect = connect
        self._reactor = reactor
        self._state_dir = state_dir
        self._target = target
        self._schedule = Schedule(random.SystemRandom())

    async def enrol(self, code: str, patience_s: float = DEFAULT_PATIENCE_S) -> Identity:
        """Exchange the code for an identity and store it.

        :param patience_s: for how long a cloud that cannot be reached is tried, > 0
        :raises CodeRefused: wrong, unknown or used by another key
        :raises EnrolmentRefused: the cloud refused for another reason
        :raises CloudAway: it could not be reached in time
        :raises StorageFailed: key or identity cannot be stored
        """
        if names.CODE.fullmatch(code) is None:
            raise CodeRefused("a code has 8 to 36 letters, digits or any of . _ ~ -")
        key = BoardKey.load_or_make(self._state_dir)
        limit_s = self._reactor.seconds() + patience_s
        while True:
            outcome, end = await self._try(key, code)
            if isinstance(outcome, Enrolled):
                return self._store(outcome)
            if isinstance(outcome, Error):
                raise outcome
            if end.reason == CodeUnknownOrUsed.uri:
                raise CodeRefused(
                    "the cloud does not know this code, or it was used; ask for a new one "
                    "('iot board enrolment-code', or the web page of the board)"
                )
            delay_s = self._schedule.delay_after(end, self._reactor.seconds())
            why = f"{end.reason} {end.message}".strip()
            if self._reactor.seconds() + delay_s > limit_s:
                raise CloudAway(f"{self._target.url} cannot be joined ({why}); is it running?")
            LOG.warning(
                "%s cannot be joined (%s); again in %.1f s", self._target.url, why, delay_s
            )
            await sleep(self._reactor, delay_s)

    async def _try(self, key: BoardKey, code: str) -> tuple[Enrolled | Error | None, SessionEnd]:
        login = CodeLogin(names.CODE_AUTHID, code, key.public_key)
        connection = self._connect(self._reactor, self._target, login)
        outcome: list[Enrolled | Error] = []

        async def ask(session: Session) -> None:
            cloud = Cloud(self._reactor)
            cloud.session = session
            message = Enrol(
                public_key=key.public_key,
                protocol=PROTOCOL_VERSION,
                agent_version=AGENT_VERSION,
                hostname=socket.gethostname(),
            )
            try:
                outcome.append(await cloud.call(names.ENROL, message, Enrolled))
            except CloudAway as error:
                LOG.warning("enrolment: %s", error)
            except (CodeUnknownOrUsed, BadMessage, WireError) as error:
                outcome.append(_refusal(error))
            if session.is_attached():
                session.leave(CLOSE_ENROLLED)

        end = await connection.run(ask)
        return (outcome[0] if outcome else None), end

    def _store(self, enrolled: Enrolled) -> Identity:
        identity = Identity(
            board=enrolled.board,
            name=enrolled.name,
            project=enrolled.project,
            url=self._target.url,
        )
        cloud = CloudConf(url=self._target.url, realm=self._target.realm, ca=self._target.ca)
        try:
            if enrolled.lease_key is not None:
                store_key(self._state_dir, enrolled.lease_key)
            store_identity(self._state_dir, identity)
            write_cloud(self._state_dir, cloud)
        except OSError as error:
            raise StorageFailed(
                f"{self._state_dir} cannot be written ({error.strerror}); make room and repeat "
                "the same command within five minutes"
            ) from error
        return identity


def _refusal(error: WireError) -> Error:
    if isinstance(error, CodeUnknownOrUsed):
        return CodeRefused("the code was used by another board; ask for a new one")
    return EnrolmentRefused(f"the cloud refused the enrolment: {error.message} ({error.uri})")

"""``iotronic-mec-gateway``: the content origin and the data road; no rules, no database.

Serves blobs to boards from the storage's folder. Which boards there are it reads
from the conductor and is told of changes. With ``[gateway] control_port`` it answers
pings of boards: an API says who may, the board's wamp agent calls the board.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from iotronic_mec.cmd import core, service
from iotronic_mec.cmd.reactor import ReactorProcess
from iotronic_mec.errors import Error, Unavailable
from iotronic_mec.gateway.blobs import BlobSite
from iotronic_mec.gateway.environ import Origin
from iotronic_mec.gateway.road import BusRoad, RoadSite
from iotronic_mec.ids import new_uuid
from iotronic_mec.rpc.boards import Boards
from iotronic_mec.rpc.bus import BusAgents, BusApis
from iotronic_mec.wamp.directory import Directory, Entry, load_directory

LOG = logging.getLogger(__name__)

PROGRAM = "iotronic-mec-gateway"

NEEDED = (("rpc", "transport_url"), ("cloud", "content_url"))


class Gateway:
    """The parts of the process."""

    def __init__(self, given: service.Service) -> None:
        self._process = ReactorProcess(given, f"gateway-{new_uuid()}")
        self._directory = Directory()
        self._options = given.conf.gateway
        self._site = BlobSite(
            self._process.reactor,
            core.blobs(given.settings),
            given.secret,
            lambda board: board in self._directory,
            time.time,
        )
        self._listeners: dict[str, Any] = {"port": self._site}
        if self._options.control_port:
            self._listeners["control_port"] = self._road(given)
        end = self._process.end
        end.serve("directory", {"put": self._put, "remove": self._remove})
        end.watch(self._read)
        self._process.ready_when(lambda: self._directory.loaded)

    def run(self) -> int:
        """Run until SIGTERM or SIGINT."""
        for option, site in self._listeners.items():
            self._process.when_stopping(self._listen(option, site).stopListening)
        return self._process.run(lambda: None)

    def _listen(self, option: str, site: Any) -> Any:
        host, port = self._options.host, self._options[option]
        try:
            return self._process.reactor.listenTCP(port, site, interface=host, backlog=512)
        except CannotListenError as error:
            raise Unavailable(
                f"cannot listen on {host} port {port} ({error.socketError}): "
                f"choose another [gateway] host or {option}"
            ) from error

    def _road(self, given: service.Service) -> RoadSite:
        """Put the data road together; it asks over the bus."""
        transport = self._process.transport
        road = BusRoad(self._process.reactor, BusApis(transport), Boards(BusAgents(transport)))
        self._process.when_stopping(road.stop)
        public = urlsplit(given.settings.public_url)
        origin = Origin(
            scheme=public.scheme or "http",
            name=public.hostname or "localhost",
            port=self._options.control_port,
            behind_proxy=given.conf.api.trust_proxy_headers,
        )
        return RoadSite(self._process.reactor, road, origin, self._health)

    def _health(self) -> dict[str, str]:
        """Say whether the parts of the cloud are there that a ping needs first."""
        return {"bus": "up" if self._process.end.up else "no conductor answers on the bus"}

    async def _read_anew(self) -> None:
        try:
            await load_directory(self._directory, self._process.end.call)
        except Error as error:
            LOG.warning("the boards are read again later: %s", error.message)
            self._process.reactor.callLater(1.0, self._read)

    def _read(self) -> None:
        Deferred.fromCoroutine(self._read_anew())

    async def _put(self, arguments: dict[str, Any], _: float) -> None:
        self._directory.put(Entry.from_row({**arguments, "uuid": arguments["board"]}))

    async def _remove(self, arguments: dict[str, Any], _: float) -> None:
        self._directory.remove(str(arguments["board"]))


def main(arguments: Sequence[str]) -> int:
    """Read the arguments and run."""
    description = (__doc__ or "").partition("\n\n")[0].partition(": ")[2]
    return service.main(
        PROGRAM, description, arguments, NEEDED, lambda given: Gateway(given).run()
    )

"""``GET /metrics``: the numbers of one process or of several, as Prometheus reads them.

The listener is off unless ``[metrics] port`` is set, never on the origins of clients,
and asks for a token where other machines reach it. It serves one page, takes no
bodies, and has its own bounds on connections.

Source: Prometheus, "Exposition formats"; written by its own library.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import waitress
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from iotronic_mec import metrics
from iotronic_mec.conf import BadConfiguration
from iotronic_mec.errors import Unavailable
from iotronic_mec.metrics import Snapshot

LOG = logging.getLogger(__name__)

PATH = "/metrics"
TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""The form every Prometheus reads."""

MIN_TOKEN = 16
"""Least characters of a token."""

MAX_CONNECTIONS = 16

CLOSED = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it listens, and what it asks for; an empty token for nothing."""

    host: str
    port: int
    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a request is answered with."""

    status: int
    media_type: str
    body: bytes


def read_place(options: Any, folder: Path) -> Place | None:
    """Return where to listen; ``None`` for nowhere.

    :param options: group ``[metrics]``
    :param folder: the state directory
    :raises BadConfiguration: names the option
    """
    if not options.port:
        return None
    token = ""
    if options.token_file:
        path = folder / options.token_file
        try:
            token = path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BadConfiguration(f"[metrics] token_file: {path} cannot be read") from error
        if len(token) < MIN_TOKEN:
            raise BadConfiguration(
                f"[metrics] token_file: {path} holds fewer than {MIN_TOKEN} characters"
            )
    if not token and not _is_loopback(options.host):
        raise BadConfiguration(
            f"[metrics] host: {options.host} can be reached from other machines: set token_file, "
            "or listen on 127.0.0.1"
        )
    return Place(host=options.host, port=options.port, token=token)


def refusal(place: Place, method: str, path: str, authorization: str) -> Reply | None:
    """Return the answer to a request that is not to be served."""
    if place.token and not hmac.compare_digest(
        authorization.encode("utf-8", "replace"), f"Bearer {place.token}".encode()
    ):
        return Reply(status=401, media_type="text/plain", body=b"a token is needed\n")
    if path != PATH:
        return Reply(status=404, media_type="text/plain", body=b"only /metrics is here\n")
    if method not in ("GET", "HEAD"):
        return Reply(status=405, media_type="text/plain", body=b"only GET\n")
    return None


def page(snapshots: Mapping[str, Snapshot | None]) -> Reply:
    """Return the page of some processes.

    :param snapshots: process to its numbers; ``None`` for one that does not answer
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(snapshots))
    return Reply(status=200, media_type=TYPE, body=generate_latest(registry))


def serve(place: Place, process: str) -> Callable[[], None]:
    """Listen in a thread of its own; for processes without a reactor.

    :returns: closes it
    :raises Unavailable: the port is taken
    """

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        reply = refusal(
            place,
            environ["REQUEST_METHOD"],
            environ.get("PATH_INFO", ""),
            environ.get("HTTP_AUTHORIZATION", ""),
        ) or page({process: metrics.snapshot()})
        length = ("Content-Length", str(len(reply.body)))
        start(f"{reply.status} -", [("Content-Type", reply.media_type), length, *CLOSED])
        return [reply.body]

    server = waitress.create_server(
        application,
        map={},
        sockets=[_listen(place)],
        threads=1,
        ident=None,
        connection_limit=MAX_CONNECTIONS,
        channel_timeout=10,
        max_request_body_size=1024,
    )
    threading.Thread(target=server.run, name="metrics", daemon=True).start()
    LOG.info("metrics are at http://%s:%d%s", place.host, place.port, PATH)
    return lambda: server.trigger.pull_trigger(server.close)


def _listen(place: Place) -> socket.socket:
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((place.host, place.port))
    except OSError as error:
        listener.close()
        raise taken(place, error.strerror or "") from error
    return listener


def taken(place: Place, cause: str) -> Unavailable:
    """Return the error of a port that cannot be had."""
    return Unavailable(
        f"cannot listen on {place.host} port {place.port} ({cause}): "
        "choose another [metrics] host or port"
    )


class _Given(Collector):
    """Hands the library what was read already."""

    def __init__(self, snapshots: Mapping[str, Snapshot | None]) -> None:
        self._snapshots = snapshots

    def collect(self) -> Iterator[Metric]:
        """Give each family once, with the series of all processes."""
        up = GaugeMetricFamily(
            "iotronic_process_up", "Whether the process has told its numbers.", labels=["process"]
        )
        families: dict[str, Metric] = {"": up}
        for process, snapshot in self._snapshots.items():
            up.add_metric([process], 0.0 if snapshot is None else 1.0)
            for each in snapshot or ():
                _add(families, process, each)
        yield from families.values()


def _add(families: dict[str, Metric], process: str, each: Mapping[str, Any]) -> None:
    name, told, labels = each["name"], each["help"], ["process", *each["labels"]]
    kind: type[Metric] = {
        "counter": CounterMetricFamily,
        "times": HistogramMetricFamily,
        "gauge": GaugeMetricFamily,
    }[each["kind"]]
    family: Any = families.get(name)
    if family is None:
        made: Any = kind
        family = families[name] = made(name, told, labels=labels)
    for series in each["series"]:
        values = [process, *series[0]]
        if each["kind"] != "times":
            family.add_metric(values, series[1])
            continue
        sums, total = [], 0.0
        for bound, count in zip((*metrics.BOUNDS_S, float("inf")), series[1], strict=True):
            total += count
            sums.append(("+Inf" if bound == float("inf") else repr(bound), total))
        family.add_metric(values, sums, sum_value=series[2])


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

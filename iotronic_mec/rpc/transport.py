"""oslo.messaging: one transport of this process, and calls over it.

Decisions that stand here and nowhere else:

* **Configuration.** oslo.messaging is handed the process's own configuration
  object, never the global one; the options it registers on the global object only
  (metrics, tracing) are registered on ours as well, or the first call fails.
* **Threads only.** The threading backend of oslo.service is chosen before anything
  is loaded, and eventlet, which futurist would load when it finds it, is hidden.
* **Queues that go with their process** (``amqp_auto_delete``) and mandatory
  publishing: a call to somebody who is not there fails at once instead of waiting.
* **Errors are data**: an answer holds ``r`` or ``e``; no class names on the wire.
* **A silent server is noticed**: servers send a sign of life for long calls; without
  one for :data:`SIGN_OF_LIFE_S` a caller stops waiting.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

# None in sys.modules makes an import fail: futurist then goes on without it
sys.modules.setdefault("eventlet", None)  # type: ignore[arg-type]

from oslo_service.backend import BackendType, init_backend  # noqa: E402

init_backend(BackendType.THREADING)

import orjson  # noqa: E402
import oslo_messaging  # noqa: E402
import oslo_messaging._drivers.amqpdriver as amqp  # noqa: E402
import oslo_messaging._drivers.impl_rabbit as rabbit_driver  # noqa: E402
from oslo_messaging import opts  # noqa: E402
from oslo_messaging._metrics import client as metrics  # noqa: E402
from oslo_messaging._tracing import client as tracing  # noqa: E402

from iotronic_mec import errors, frames  # noqa: E402
from iotronic_mec.context import Context  # noqa: E402

EXCHANGE = "iotronic"
"""All our topics are in this exchange, apart from other services' of the broker."""

CONDUCTOR = "conductor"
"""The topic all conductors serve; one of them takes a call."""

WAMP = "wamp"
"""Topic of wamp agents and gateways; ``wamp.<uuid>`` is one of them, a fan-out all."""

API = "api"
"""The topic all APIs serve for gateways: one of them answers a question; see
:mod:`iotronic_mec.rpc.questions`."""

RPC_NAMESPACE = "rpc"
"""Namespace of what a server answers itself: ``ping``."""

SIGN_OF_LIFE_S = 10
"""A caller hears of a server at least this often, seconds; whole, as oslo asks."""

NESTED_S = 0.5
"""How much less time the inner side is told than the caller waits, seconds, so
that the inner error, which says more, arrives; a tenth of short limits."""

RETRIES = 1
"""How often a lost connection to the broker is made anew for one call; then it
fails. Without a number it would try for ever."""

POLL_S = 0.25
"""How long a thread that reads from the broker waits at first for the next message,
seconds. oslo waits 1 ms, then twice as long and so on, so as to send acknowledgements
that other threads have left for it; calls are acknowledged where they are read. Each
of these waits ends in an error that costs more than a message does."""

amqp.ACK_REQUEUE_EVERY_SECONDS_MIN = POLL_S

_declare = rabbit_driver.Consumer.declare


def _declare_without_acknowledgement(consumer: Any, connection: Any) -> None:
    """Declare a consumer; have answers handed over without an acknowledgement.

    The queue of answers is this process's own: nobody else could take an answer it
    has not acknowledged, and the acknowledgement comes before the one who waits.
    """
    _declare(consumer, connection)
    if consumer.type == "direct":
        consumer.queue.no_ack = True


rabbit_driver.Consumer.declare = _declare_without_acknowledgement

MAX_MESSAGE_BYTES = frames.MAX_FRAME_BYTES
"""Largest arguments or answer, bytes of JSON; the same as on the local transport."""


class BadTransport(errors.Error):
    """The address of the message bus cannot be used."""

    code = "iot.rpc.bad_address"


class Transport:
    """The bus as callers see it; any thread. Make it after any fork.

    :param conf: this process's configuration; options of group
        ``[oslo_messaging_rabbit]`` are taken from it
    :param url: ``rabbit://user:password@host:port/vhost``
    """

    def __init__(self, conf: Any, url: str) -> None:
        register(conf)
        try:
            self.oslo = oslo_messaging.get_rpc_transport(conf, url=url)
        except (
            oslo_messaging.DriverLoadFailure,
            oslo_messaging.InvalidTransportURL,
            ValueError,
        ) as error:
            raise BadTransport(
                "[rpc] transport_url: not an address of a message bus; "
                "expected is rabbit://USER:PASSWORD@HOST:PORT/VHOST"
            ) from error
        self._clients: dict[tuple[str, str], Any] = {}

    def call(
        self,
        topic: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        context: Context,
        timeout_s: float,
        *,
        server: str | None = None,
    ) -> Any:
        """Call one method and wait at most ``timeout_s``; blocks.

        :raises errors.DeadlineExceeded: no answer in time
        :raises errors.Unavailable: nobody serves the topic (nothing was sent then:
            :class:`NobodyServes`), the bus is away, or whoever took the call went silent
        :raises errors.TooLarge: more than :data:`MAX_MESSAGE_BYTES`
        """
        check_size(arguments)
        inner_s = max(timeout_s - NESTED_S, timeout_s * 0.9)
        client = self._client(topic, namespace).prepare(
            server=server,
            timeout=timeout_s,
            call_monitor_timeout=SIGN_OF_LIFE_S if timeout_s > SIGN_OF_LIFE_S else None,
            retry=RETRIES,
        )
        wire = {**context.to_wire(), "remaining_s": inner_s}
        since = time.monotonic()
        try:
            answer = client.call(wire, method, arguments=arguments)
        except oslo_messaging.MessagingTimeout as error:
            waited_s = time.monotonic() - since
            if waited_s < timeout_s * 0.9:
                raise errors.Unavailable(
                    "the process that took the call has gone silent; try again later"
                ) from error
            raise errors.DeadlineExceeded(f"no answer within {timeout_s:.1f} s") from error
        except oslo_messaging.MessageUndeliverable as error:
            raise NobodyServes(f"no process serves {topic} at the moment") from error
        except oslo_messaging.MessagingException as error:
            raise errors.Unavailable("the message bus is away; try again later") from error
        if not isinstance(answer, dict):
            raise errors.Unavailable("the answer on the message bus is not one of ours")
        if "e" in answer:
            raise errors.from_wire(answer["e"] or {})
        return answer.get("r")

    def cast(
        self,
        topic: str,
        namespace: str,
        method: str,
        arguments: dict[str, Any],
        context: Context,
        *,
        fanout: bool = False,
    ) -> None:
        """Send one message and wait for no answer; all of the topic get a fan-out.

        :raises errors.Unavailable: the bus is away
        """
        check_size(arguments)
        client = self._client(topic, namespace, mandatory=not fanout)
        try:
            client.prepare(fanout=fanout or None, retry=RETRIES).cast(
                context.to_wire(), method, arguments=arguments
            )
        except oslo_messaging.MessageUndeliverable as error:
            raise NobodyServes(f"no process serves {topic} at the moment") from error
        except oslo_messaging.MessagingException as error:
            raise errors.Unavailable("the message bus is away; try again later") from error

    def close(self) -> None:
        """Close the connections of callers."""
        self.oslo.cleanup()

    def _client(self, topic: str, namespace: str, *, mandatory: bool = True) -> Any:
        key = (topic, f"{namespace} {mandatory}")
        client = self._clients.get(key)
        if client is None:
            client = self._clients[key] = oslo_messaging.get_rpc_client(
                self.oslo,
                oslo_messaging.Target(exchange=EXCHANGE, topic=topic, namespace=namespace),
                transport_options=oslo_messaging.TransportOptions(at_least_once=mandatory),
            )
        return client


class NobodyServes(errors.Unavailable):
    """Nobody serves this part of the cloud at the moment; try again later."""

    code = "iot.rpc.nobody_serves"


def register(conf: Any) -> None:
    """Register what oslo.messaging expects on a configuration of its own.

    The defaults we need are set as defaults: the operator's file outranks them.
    """
    for group, options in opts.list_opts():
        conf.register_opts(options, group=group)
    conf.register_opts(metrics.oslo_messaging_metrics, group="oslo_messaging_metrics")
    conf.register_opts(tracing.oslo_messaging_tracing, group="oslo_messaging_tracing")
    rabbit = "oslo_messaging_rabbit"
    conf.set_default("amqp_auto_delete", True, group=rabbit)
    conf.set_default("rabbit_transient_queues_ttl", 300, group=rabbit)
    conf.set_default("heartbeat_timeout_threshold", 20, group=rabbit)
    conf.set_default("kombu_reconnect_delay", 0.5, group=rabbit)


def check_size(value: Any) -> None:
    """Refuse what is too large for the bus, or no JSON.

    :raises errors.TooLarge: says how large it is
    """
    try:
        size = len(orjson.dumps(value))
    except TypeError:
        # keys of the database are a kind of text orjson does not take, and JSON does
        try:
            size = len(json.dumps(value))
        except (TypeError, ValueError) as error:
            raise errors.TooLarge(f"not fit for the message bus: {error}") from error
    if size > MAX_MESSAGE_BYTES:
        raise errors.TooLarge(f"{size} bytes are over the {MAX_MESSAGE_BYTES} of one message")

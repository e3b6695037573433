"""The conductor's side of RPC: namespaces, exposed methods, errors as data.

Several endpoint objects share one topic; each has its own ``namespace``. Only
methods marked with :func:`~iotronic_mec.rpc.expose.expose` are reachable.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from iotronic_mec import metrics
from iotronic_mec.context import Context
from iotronic_mec.errors import BadRequest, Error, NotFound
from iotronic_mec.rpc.expose import is_exposed
from lightning_agent.protocol.log_lines import NOBODY, set_asking

LOG = logging.getLogger(__name__)
ACCESS = logging.getLogger("iotronic_mec.access")
"""One line for each call, where ``[log] access`` wants them."""


class NoSuchMethod(NotFound):
    """There is no such RPC method."""

    code = "iot.rpc.no_such_method"


class Dispatcher:
    """Finds the method a call names and runs it; any thread.

    :param endpoints: objects with a ``namespace`` and exposed methods
    """

    def __init__(self, endpoints: Iterable[Any]) -> None:
        self._endpoints = {endpoint.namespace: endpoint for endpoint in endpoints}

    def call(self, context: Context, namespace: str, method: str, /, **arguments: Any) -> Any:
        """Run one exposed method in this thread and return its answer.

        :raises NoSuchMethod: unknown namespace or method, or one not exposed
        :raises Error: whatever the method raises
        """
        endpoint = self._endpoints.get(namespace)
        function = getattr(endpoint, method, None)
        if function is None or not is_exposed(function):
            raise NoSuchMethod(f"no method {namespace[:40]}.{method[:40]}")
        began_s, outcome = time.perf_counter(), "failed"
        try:
            result = function(context, **arguments)
            outcome = "ok"
            return result
        except Error:
            outcome = "refused"
            raise
        finally:
            took_s = time.perf_counter() - began_s
            metrics.CALLS.add(took_s, f"{namespace}.{method}", outcome)
            if ACCESS.isEnabledFor(logging.INFO):
                ACCESS.info("%s.%s %s %.1f ms", namespace, method, outcome, took_s * 1000)

    def answer(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Run the call a frame holds and return the answering frame.

        The outer rim of RPC: an error that is not ours is logged with the
        request id and leaves as a generic one.
        """
        number = frame.get("id")
        request_id = "none"
        try:
            context = Context.from_wire(frame.get("c") or {})
            request_id = context.request_id
            set_asking(context.asking())
            arguments = frame.get("a") or {}
            if not isinstance(arguments, dict):
                raise BadRequest("the arguments of a call are a map")
            result = self.call(context, str(frame.get("ns")), str(frame.get("m")), **arguments)
        except Error as error:
            return {"t": "error", "id": number, "e": error.to_wire()}
        except Exception:
            LOG.exception("request %s: %s.%s failed", request_id, frame.get("ns"), frame.get("m"))
            return {"t": "error", "id": number, "e": Error("internal error").to_wire()}
        finally:
            set_asking(NOBODY)
        return {"t": "answer", "id": number, "r": result}

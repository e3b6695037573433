"""RPC namespace ``question``: an API answers what a gateway was asked and may not decide.

A gateway has no rules and no database. It hands a request on as it came, with the
sender's credentials; here the REST API answers it as it would over HTTP, so that
rights, rates and throttling are the same on both ways.
"""

from __future__ import annotations

import io
import sys
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any

from iotronic_mec import event_stream
from iotronic_mec.context import Context
from iotronic_mec.errors import Forbidden, NotFound
from iotronic_mec.rpc.expose import expose

PREFIX = "/healthcheck/boards/"
"""With plugins' logs the only addresses that are answered: what a gateway serves of the
control origin."""

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Questions:
    """Answers gateways; any thread.

    :param application: the REST API, as WSGI
    """

    namespace = "question"

    def __init__(self, application: Application) -> None:
        self._application = application

    @expose
    def ask(self, context: Context, environ: dict[str, str], body: str) -> dict[str, Any]:
        """Answer one request: ``status``, ``headers`` as pairs, ``body`` as text.

        :param environ: its WSGI keys; those of the server are added here
        :param body: in base64
        :raises Forbidden: for anybody but the cloud itself
        :raises NotFound: an address that gateways do not serve
        """
        if not context.system:
            raise Forbidden("only the cloud's own processes may")
        path = str(environ.get("PATH_INFO", ""))
        if not (path.startswith(PREFIX) or event_stream.LOG.fullmatch(path)):
            raise NotFound("gateways pass on pings and questions for logs only")
        head: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], exc_info: Any = None
        ) -> Callable[[bytes], object]:
            del exc_info  # nothing is sent before the application returns
            head[:] = [int(status.split(" ", 1)[0]), [list(pair) for pair in headers]]
            return _no_write

        pieces = self._application(_whole(environ, b64decode(body)), start_response)
        try:
            data = b"".join(pieces)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
        return {"status": head[0], "headers": head[1], "body": data.decode()}


def _whole(environ: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return the environment with what a WSGI server adds. Source: PEP 3333."""
    whole: dict[str, Any] = {key: str(value) for key, value in environ.items()}
    if body:
        whole["CONTENT_LENGTH"] = str(len(body))
    return whole | {
        "wsgi.version": (1, 0),
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }


def _no_write(_piece: bytes) -> object:
    raise TypeError("the write callable of WSGI is not offered; return an iterable")

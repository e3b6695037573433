"""The REST API for other WSGI servers: ``iotronic_mec.cmd.wsgi:application``.

For uWSGI, gunicorn, mod_wsgi and their like, instead of ``iotronic-mec-api``::

    IOTRONIC_CONFIG_FILE=/etc/iotronic/iotronic.conf \\
        gunicorn --threads 8 iotronic_mec.cmd.wsgi:application

The application is put together at the first request, so that servers may fork
before: connections are each process's own.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from iotronic_mec.api.app import Application
from iotronic_mec.cmd.api import build_wsgi

VARIABLE = "IOTRONIC_CONFIG_FILE"
"""Configuration files, with ``:`` between them; ``/etc/iotronic/iotronic.conf`` without it."""


class LateApplication:
    """A WSGI application that is built when it is first asked; any thread.

    :param build: builds it; what it raises fails that request, and the next tries again
    """

    def __init__(self, build: Callable[[], Application]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._built: Application | None = None

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request."""
        built = self._built
        if built is None:
            with self._lock:
                built = self._built = self._built or self._build()
        return built(environ, start_response)


def files() -> list[Path]:
    """Return the configuration files the environment names."""
    named = os.environ.get(VARIABLE, "")
    return [Path(name).absolute() for name in named.split(os.pathsep) if name]


application = LateApplication(lambda: build_wsgi(files()))

"""How a process of the cloud writes its log."""

from __future__ import annotations

import logging
from typing import IO, Any

from lightning_agent.protocol import log_lines

ACCESS = "iotronic_mec.access"
"""The logger of single requests and calls."""

QUIET = {
    "alembic": logging.WARNING,
    "amqp": logging.WARNING,
    # a line for each wrong token otherwise
    "keystonemiddleware": logging.ERROR,
    "oslo.messaging": logging.WARNING,
    "oslo_service": logging.WARNING,
    "twisted": logging.WARNING,
    "waitress": logging.WARNING,
}
"""Libraries that tell more than an operator wants to know, and from what level on they may."""


def begin(process: str, options: Any = None, stream: IO[str] | None = None) -> None:
    """Write this process's log as the options say.

    :param process: its name in JSON lines
    :param options: group ``[log]``; ``None`` while it is not read, for the defaults
    :param stream: standard error without one
    """
    level = options.level if options is not None else "info"
    form = options.format if options is not None else "text"
    log_lines.install(process, form=form, level=level, stream=stream)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(least)
    wanted = options is not None and options.access
    logging.getLogger(ACCESS).setLevel(logging.INFO if wanted else logging.WARNING)

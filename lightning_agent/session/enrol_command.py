"""``lightning-agent enrol CODE URL``: introduce this board to a cloud."""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from lightning_agent import conf
from lightning_agent.conf import ConfRefused, check_url, default_state_dir
from lightning_agent.errors import Error
from lightning_agent.protocol import names
from lightning_agent.session.enrolment import DEFAULT_PATIENCE_S, Enrolment
from lightning_agent.session.transport import Target
from lightning_agent.state.files import become_owner
from lightning_agent.state.identity import Identity

EXIT_CODES = {"code_refused": 3, "enrolment_refused": 3, "cloud_away": 4}
"""By the error's code; every other error is 1."""


def main(arguments: Sequence[str]) -> int:
    """Enrol the board; return the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    try:
        url = check_url(options.url)
        become_owner(options.state_dir)
        conf.load(options.state_dir)
        ca = None if options.ca is None else str(options.ca.resolve(strict=True))
        code = _read_code() if options.code == "-" else options.code
    except (ConfRefused, OSError) as error:
        sys.stderr.write(f"lightning-agent: {error}\n")
        return 2
    target = Target(url=url, realm=options.realm, ca=ca)
    return _run(Enrolment(installed_reactor, options.state_dir, target), code, options.wait)


def _run(enrolment: Enrolment, code: str, patience_s: float) -> int:
    reactor: Any = installed_reactor
    outcome: list[Identity | Failure] = []

    def end(result: Identity | Failure) -> None:
        outcome.append(result)
        reactor.stop()

    def start() -> None:
        Deferred.fromCoroutine(enrolment.enrol(code, patience_s)).addBoth(end)

    reactor.callWhenRunning(start)
    reactor.run()
    return _tell(outcome[0]) if outcome else 130


def _tell(outcome: Identity | Failure) -> int:
    if isinstance(outcome, Identity):
        sys.stdout.write(
            f"enrolled as board {outcome.board} ({outcome.name}); "
            "'lightning-agent run' joins the cloud\n"
        )
        return 0
    error = outcome.value
    if not isinstance(error, Error):
        outcome.raiseException()
    assert isinstance(error, Error)
    sys.stderr.write(f"lightning-agent: {error}\n")
    return EXIT_CODES.get(error.code, 1)


def _read_code() -> str:
    if os.isatty(sys.stdin.fileno()):
        return getpass.getpass("enrolment code: ").strip()
    return sys.stdin.readline().strip()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightning-agent enrol",
        description="Introduce this board to a cloud. The board makes its own key, which never "
        "leaves it; the code is used up. If the command is interrupted, repeat it.",
        epilog="exit codes: 0 enrolled, 1 failed, 2 wrong arguments, 3 code refused, "
        "4 cloud not reached",
    )
    parser.add_argument(
        "code",
        metavar="CODE",
        help="the one-time code the cloud gave; - reads it from standard input",
    )
    parser.add_argument(
        "url", metavar="URL", help="the cloud's address, e.g. wss://cloud.example:8443/ws"
    )
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=default_state_dir(),
        metavar="DIR",
        help="where the agent keeps key, identity and plugins (%(default)s)",
    )
    parser.add_argument(
        "--ca",
        type=Path,
        metavar="FILE",
        help="certificate authority of the cloud, PEM (the system's)",
    )
    parser.add_argument("--realm", default=names.REALM, help=argparse.SUPPRESS)
    parser.add_argument(
        "--wait",
        type=float,
        default=DEFAULT_PATIENCE_S,
        metavar="SECONDS",
        help="how long a cloud that does not answer is tried (%(default)s)",
    )
    return parser

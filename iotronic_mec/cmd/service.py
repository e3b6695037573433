"""What the separate processes have in common: files, log, what is missing, the end.

Each reads the files of ``--config-file`` (``/etc/iotronic/iotronic.conf`` without
one), says in one line what it lacks, logs when it is ready, and ends within 5 s of
SIGTERM, after what it has taken is finished as far as that is possible.
Exit codes: 0 after SIGTERM or SIGINT, 1 when it cannot run, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from iotronic_mec import __version__
from iotronic_mec.cmd import logs, state_dir
from iotronic_mec.conf import BadConfiguration, load, load_settings
from iotronic_mec.errors import Error
from iotronic_mec.feature import Settings

LOG = logging.getLogger(__name__)

DEFAULT_FILE = Path("/etc/iotronic/iotronic.conf")
"""Read when no ``--config-file`` is given."""

SECRET_BYTES = 32
"""Least length of the shared secret, bytes."""

LOCAL = "local"
"""Value of ``[rpc] transport_url`` that is for standalone only."""


class Missing(Error):
    """An option is missing."""

    code = "iot.configuration.missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What a process is started with.

    :param conf: the process's own configuration object
    :param folder: its state directory, made and private
    :param secret: the shared secret
    """

    program: str
    conf: Any
    settings: Settings
    folder: state_dir.StateDir
    secret: bytes


def read_files(files: Sequence[Path]) -> Any:
    """Read configuration files; none given: the default one where it exists.

    :raises BadConfiguration: one is not there or cannot be used
    """
    for path in files:
        if not os.access(path, os.R_OK):
            raise BadConfiguration(f"{path} cannot be read: name a file with --config-file")
    return load(DEFAULT_FILE.parent, files)


def prepare(program: str, files: Sequence[Path], needed: Sequence[tuple[str, str]]) -> Service:
    """Read the configuration and what every process needs.

    :param needed: options (group, name) without a usable default
    :raises Missing: names the option
    :raises Error: names what cannot be used
    """
    conf = read_files(files)
    _check(conf, needed)
    path = Path(conf.cloud.state_dir)
    try:
        folder = state_dir.prepare(path)
    except state_dir.StateDirUnusable as error:
        raise BadConfiguration(str(error).replace("--state-dir", "[cloud] state_dir")) from error
    settings = load_settings(
        folder.path,
        public_url=conf.cloud.public_url.rstrip("/"),
        content_url=conf.cloud.content_url.rstrip("/"),
        wamp_url=conf.wamp_agent.url,
        given=tuple(files) or (DEFAULT_FILE,),
    )
    secret = read_secret(folder.path / conf.cloud.secret_file)
    return Service(program=program, conf=conf, settings=settings, folder=folder, secret=secret)


def read_secret(path: Path) -> bytes:
    """Return the shared secret.

    :raises BadConfiguration: says how it is made
    """
    try:
        secret = path.read_bytes()
    except OSError as error:
        raise BadConfiguration(
            f"[cloud] secret_file: {path} cannot be read ({error.strerror}): make it once, "
            f"'head -c 32 /dev/urandom > {path}', and give all processes the same"
        ) from error
    if len(secret) < SECRET_BYTES:
        raise BadConfiguration(
            f"[cloud] secret_file: {path} has {len(secret)} bytes, at least {SECRET_BYTES} "
            "are needed"
        )
    return secret


def main(
    program: str,
    description: str,
    arguments: Sequence[str],
    needed: Sequence[tuple[str, str]],
    run: Callable[[Service], int],
) -> int:
    """Read the arguments and run; return the exit code."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument(
        "--config-file",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"may be repeated, a later file outranks an earlier one (default: {DEFAULT_FILE})",
    )
    parser.add_argument("--version", action="version", version=__version__)
    given = parser.parse_args(arguments)
    logs.begin(program)
    try:
        service = prepare(program, [path.absolute() for path in given.config_file], needed)
        logs.begin(program, service.conf.log)
        return run(service)
    except Error as error:
        print(f"{program}: {error.message}", file=sys.stderr)
        return 1


def tell_metrics(given: Service) -> Callable[[], None]:
    """Listen for Prometheus where the options say so; for processes without a reactor.

    :returns: closes the listener
    :raises Error: the option is wrong or the port is taken
    """
    if not given.conf.metrics.port:
        return lambda: None
    # Prometheus's library is loaded only where it is wanted
    pages = importlib.import_module("iotronic_mec.cmd.metrics")
    place = pages.read_place(given.conf.metrics, given.folder.path)
    close: Callable[[], None] = pages.serve(place, given.program)
    return close


def leave(code: int) -> NoReturn:
    """End the process now.

    Threads of libraries that still wait for the bus would hold an ordinary end up
    to their own limits; everything of ours is closed before this is called.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _check(conf: Any, needed: Sequence[tuple[str, str]]) -> None:
    for group, name in needed:
        value = conf[group][name]
        if not value or (name == "transport_url" and value == LOCAL):
            hint = {
                "transport_url": "name the broker, rabbit://USER:PASSWORD@HOST:5672/VHOST",
                "connection": "name the database, postgresql://USER:PASSWORD@HOST/NAME",
            }.get(name, "see etc/iotronic.conf.sample")
            raise Missing(f"[{group}] {name} is not set: {hint}")

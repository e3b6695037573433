"""``iotronic-mec user`` and ``iotronic-mec token``: through the running conductor."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from pathlib import Path
from typing import Any

from iotronic_mec.cmd.authentication import refusal
from iotronic_mec.conf import load
from iotronic_mec.context import system_context
from iotronic_mec.errors import Error, Unavailable
from iotronic_mec.rpc import local

TIMEOUT_S = 15.0
"""Longest wait for the conductor, seconds."""


def run(arguments: list[str]) -> int:
    """Read the arguments (the noun first) and do it; return the exit code."""
    given = _parser(arguments[0]).parse_args(arguments[1:])
    folder: Path = given.state_dir.absolute()
    try:
        told = refusal(folder, load(folder).api.auth_strategy)
        if told is not None:
            print(f"iotronic-mec: {told}", file=sys.stderr)
            return 1
        answer = _ask(folder, given.namespace, given.method, **given.arguments(given))
    except Unavailable:
        print(
            f"iotronic-mec: the cloud of {folder} is not running; "
            f"start it: iotronic-mec standalone --state-dir {folder}",
            file=sys.stderr,
        )
        return 1
    except Error as error:
        print(f"iotronic-mec: {error.message}", file=sys.stderr)
        return 1
    print(json.dumps(answer, indent=2) if given.json or answer is not None else "done")
    return 0


def _ask(folder: Path, namespace: str, method: str, **arguments: Any) -> Any:
    link = local.connect(folder / "rpc.sock", "iotronic-mec")
    try:
        return link.call(
            "conductor", namespace, method, arguments, system_context(TIMEOUT_S), TIMEOUT_S
        )
    finally:
        link.close()


def _parser(noun: str) -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--state-dir", type=Path, required=True, help="the cloud's state directory"
    )
    shared.add_argument("--json", action="store_true", help="print JSON only")
    parser = argparse.ArgumentParser(
        prog=f"iotronic-mec {noun}", description=f"manage {noun}s through the running cloud"
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    add = _user_verbs if noun == "user" else _token_verbs
    add(verbs, shared)
    return parser


def _user_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    create = verbs.add_parser("create", parents=[shared], help="make a user")
    create.add_argument("name")
    create.add_argument("--project", default="default", help="name or uuid (default: default)")
    create.add_argument("--role", default="member", choices=("admin", "member", "reader"))
    create.add_argument("--password-stdin", action="store_true", help="read the password there")
    create.set_defaults(
        namespace="identity",
        method="create_user_with_role",
        arguments=lambda given: {
            "name": given.name,
            "project": given.project,
            "role": given.role,
            "password": _password(given),
        },
    )
    password = verbs.add_parser("password", parents=[shared], help="set a user's password")
    password.add_argument("name")
    password.add_argument("--password-stdin", action="store_true", help="read the password there")
    password.set_defaults(
        namespace="identity",
        method="set_password",
        arguments=lambda given: {"user": given.name, "password": _password(given)},
    )
    listing = verbs.add_parser("list", parents=[shared], help="list users")
    listing.set_defaults(namespace="identity", method="list_users", arguments=lambda given: {})
    delete = verbs.add_parser("delete", parents=[shared], help="delete a user")
    delete.add_argument("name")
    delete.set_defaults(
        namespace="identity", method="delete_user", arguments=lambda given: {"user": given.name}
    )


def _token_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    create = verbs.add_parser(
        "create", parents=[shared], help="make a token; the secret is printed once"
    )
    create.add_argument("user")
    create.add_argument("--project", default="default", help="name or uuid (default: default)")
    create.add_argument("--name", default="command line", help="what it is for")
    create.add_argument("--days", type=float, default=30.0, help="until it expires (default: 30)")
    create.set_defaults(
        namespace="token",
        method="create_for",
        arguments=lambda given: {
            "user": given.user,
            "project": given.project,
            "name": given.name,
            "life_s": given.days * 86_400,
        },
    )
    listing = verbs.add_parser("list", parents=[shared], help="list tokens, never their secrets")
    listing.set_defaults(namespace="token", method="list_all", arguments=lambda given: {})
    revoke = verbs.add_parser("revoke", parents=[shared], help="revoke a token at once")
    revoke.add_argument("token", help="its uuid")
    revoke.set_defaults(
        namespace="token", method="revoke", arguments=lambda given: {"token": given.token}
    )


def _password(given: argparse.Namespace) -> str:
    """Read the password where no process list shows it."""
    if given.password_stdin or not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    return getpass.getpass("password: ")

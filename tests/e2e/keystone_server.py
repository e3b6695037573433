"""A real Keystone on a folder: set up by ``keystone-manage``, served by cheroot.

Runs in the environment of ``constraints-keystone.txt``, not in ours::

    python keystone_server.py FOLDER PORT PASSWORD

``FOLDER`` gets configuration, SQLite file, keys and log. The commands of
``keystone-manage`` run in forked children, so that Keystone, which takes
seconds to import, is imported once. Prints ``ready`` when it answers.
"""

from __future__ import annotations

import grp
import os
import pwd
import sys
from pathlib import Path

from cheroot.wsgi import Server
from keystone.cmd import cli
from keystone.server.flask.core import initialize_application

CONFIGURATION = """\
[DEFAULT]
log_file = {folder}/keystone.log
[database]
connection = sqlite:///{folder}/keystone.sqlite
[token]
provider = fernet
expiration = 3600
allow_expired_window = 0
[fernet_tokens]
key_repository = {folder}/fernet
[fernet_receipts]
key_repository = {folder}/fernet
[credential]
key_repository = {folder}/credential
[identity]
# the least there is: the tests check rights, not hashes
password_hash_rounds = 4
[cache]
# one process: its own memory, which a revocation clears at once
enabled = true
backend = dogpile.cache.memory
"""


def manage(file: Path, *arguments: str) -> None:
    """Run one command of ``keystone-manage`` in a child; fail with it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            cli.main(["keystone-manage", "--config-file", str(file), *arguments])
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(f"keystone-manage {arguments[0]} failed: {status}")


def set_up(folder: Path, url: str, password: str) -> Path:
    """Make a fresh Keystone with its administrator; return its configuration."""
    file = folder / "keystone.conf"
    file.write_text(CONFIGURATION.format(folder=folder), encoding="utf-8")
    for keys in ("fernet", "credential"):
        (folder / keys).mkdir(mode=0o700)
    manage(file, "db_sync")
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    for keys in ("fernet_setup", "credential_setup"):
        manage(file, keys, "--keystone-user", user, "--keystone-group", group)
    address = f"{url}/v3"
    options = ["--bootstrap-password", password, "--bootstrap-region-id", "RegionOne"]
    for interface in ("public", "internal", "admin"):
        options += [f"--bootstrap-{interface}-url", address]
    manage(file, "bootstrap", *options)
    return file


def main() -> None:
    """Set up where there is nothing yet, and serve until a signal."""
    folder, port, password = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    file = folder / "keystone.conf"
    if not file.exists():
        set_up(folder, f"http://127.0.0.1:{port}", password)
    sys.argv[1:] = []
    application = initialize_application("public", config_files=[str(file)])
    server = Server(("127.0.0.1", port), application, numthreads=4, request_queue_size=64)
    server.prepare()
    print("ready", flush=True)
    server.serve()


if __name__ == "__main__":
    main()

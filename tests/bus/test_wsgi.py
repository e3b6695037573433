"""The API under a WSGI server of somebody else's, behind a reverse proxy's headers."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from iotronic_mec.cmd import core
from iotronic_mec.cmd.wsgi import LateApplication
from iotronic_mec.context import system_context
from iotronic_mec.db import migrate
from iotronic_mec.db.engine import open_database, sqlite_url
from iotronic_mec.feature import Settings
from iotronic_mec.rpc.boards import Boards
from tests.e2e.cloud import HOST, free_ports, wait_for

PROXY = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "iot.example.org",
    "X-Forwarded-For": "192.0.2.7",
}
"""What nginx or HAProxy in front of the API adds."""


def prepare(folder: Path, broker: str, *, trusts: bool) -> str:
    """Write configuration, secret and database of a cloud; return a token."""
    secret = b"s" * 32
    (folder / "secret.key").write_bytes(secret)
    url = sqlite_url(folder / "iotronic.sqlite")
    (folder / "iotronic.conf").write_text(
        f"[rpc]\ntransport_url = {broker}\n[database]\nconnection = {url}\n"
        f"[cloud]\nstate_dir = {folder}\npublic_url = http://iot.test\n"
        f"content_url = http://content.test\n[api]\ntrust_proxy_headers = {trusts}\n"
    )
    migrate.upgrade(url)
    database = open_database(url)
    settings = Settings(
        state_dir=folder, public_url="http://iot.test", content_url="", wamp_url=""
    )
    nobody: Any = None
    commands = core.build_commands(core.build_parts(settings, database, Boards(nobody), secret))
    made = commands["token"].first_start(system_context())
    commands["request"].stop()
    database.close()
    return str(made["token"])


@pytest.fixture(params=[True, False], ids=["proxy trusted", "proxy not trusted"])
def served(
    request: pytest.FixtureRequest, tmp_path: Path, broker: str
) -> Iterator[tuple[str, str, bool]]:
    """Serve the application by ``waitress-serve``; give address, token and trust."""
    tmp_path.chmod(0o700)
    token = prepare(tmp_path, broker, trusts=request.param)
    port = free_ports()[0]
    # waitress would drop the headers itself, as it knows nothing of our option
    server = [sys.executable, "-m", "waitress", f"--listen={HOST}:{port}", "--threads=4"]
    server += ["--no-clear-untrusted-proxy-headers", "iotronic_mec.cmd.wsgi:application"]
    environ = {**os.environ, "IOTRONIC_CONFIG_FILE": str(tmp_path / "iotronic.conf")}
    log = tmp_path / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(server, env=environ, stdout=output, stderr=output)
    address = f"http://{HOST}:{port}"

    def answers() -> bool:
        try:
            return requests.get(f"{address}/healthcheck", timeout=5).status_code == 200
        except requests.ConnectionError:
            assert process.poll() is None, log.read_text()
            return False

    try:
        wait_for("the server answers", answers)
        yield address, token, request.param
    finally:
        process.terminate()
        process.wait(15)


def test_the_application_under_another_server(served: tuple[str, str, bool]) -> None:
    """It reads, knows tokens, and believes a proxy where the option says so."""
    address, token, trusts = served
    mine = {"X-Auth-Token": token}

    who = requests.get(f"{address}/v1/whoami", headers=mine, timeout=30)
    anyone = requests.get(f"{address}/v1/boards", timeout=30)
    direct = requests.get(f"{address}/v1", timeout=30).text
    proxied = requests.get(f"{address}/v1", headers=PROXY, timeout=30).text

    assert (who.status_code, who.json()["name"]) == (200, "admin")
    assert anyone.status_code == 401
    assert address in direct
    assert ("https://iot.example.org/" in proxied) is trusts
    assert (address in proxied) is not trusts


def test_it_is_built_once_and_late() -> None:
    """Nothing is opened before the first request; many at once build one application."""
    built: list[int] = []

    def build() -> Any:
        built.append(1)
        return lambda _environ, _start: [b"answer"]

    late = LateApplication(build)
    assert built == []
    threads = [threading.Thread(target=late, args=({}, None)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert (built, late({}, None)) == ([1], [b"answer"])


def test_a_build_that_fails_is_tried_again() -> None:
    """A cloud that was not ready at the first request is at the next."""
    tries = iter([RuntimeError("no database"), None])

    def build() -> Any:
        failure = next(tries)
        if failure is not None:
            raise failure
        return lambda _environ, _start: [b"answer"]

    late = LateApplication(build)
    with pytest.raises(RuntimeError, match="no database"):
        late({}, None)

    assert late({}, None) == [b"answer"]

"""A5, B1: the real python-iotronicclient 0.4.7, unmodified.

Every test runs twice: with a token and a URL, and with a user name and a
password of a real Keystone, whose catalogue has the URL.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import side_environment
from tests.e2e.cloud import Cloud
from tests.e2e.real_keystone import KeystoneCloud

CODE = "def main(context, who='world'):\n    return f'hello {who}'\n"
LOOP = (
    "def main(context):\n"
    "    import time\n"
    "    while not context.stopping:\n"
    "        time.sleep(0.05)\n"
)

pytestmark = pytest.mark.timeout(300)


class Upstream:
    """The command line client of IoTronic."""

    def __init__(self, cloud: Cloud) -> None:
        program = side_environment.executable("iotronicclient", "iotronic")
        # a refusal by 409 is tried again after a pause: once is enough to see it
        self._command = [str(program), *cloud.upstream_credentials()]
        self._command += ["--max-retries", "1", "--retry-interval", "1"]

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run one command and return what it prints."""
        done = subprocess.run(
            [*self._command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def json(self, *arguments: str) -> Any:
        """Run one command with ``--json`` and return what it prints."""
        return json.loads(self("--json", *arguments))


@pytest.fixture(scope="module", params=["token", "password"])
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """Start a cloud of the one and of the other kind."""
    folder = tmp_path_factory.mktemp(request.param)
    made = Cloud(folder)
    if request.param == "password":
        made = KeystoneCloud(folder, request.getfixturevalue("keystone"))
    try:
        made.start()
        yield made
    finally:
        left = made.stop()
    assert left == [], f"processes that did not end with the cloud: {left}"


@pytest.fixture(scope="module")
def iotronic(cloud: Cloud) -> Upstream:
    """Give the client, logged in as the administrator."""
    return Upstream(cloud)


@pytest.fixture(scope="module")
def board(cloud: Cloud) -> Iterator[str]:
    """Give a board that is online."""
    yield cloud.make_board("upstream-board")


def test_boards_are_created_listed_shown_updated_and_deleted(iotronic: Upstream) -> None:
    """The life of a board by upstream's commands."""
    place = ("38.19", "15.55", "10")

    made = iotronic("board-create", "kitchen", "code-kitchen-1", "gateway", *place)
    listed = iotronic("board-list")
    detailed = iotronic("board-list", "--detail", "--limit", "1")
    iotronic("board-update", "kitchen", "mobile=true", "name=hall")
    shown = iotronic("board-show", "hall")
    iotronic("board-delete", "hall")
    gone = iotronic("board-show", "hall", code=1)

    assert "registered" in made and "38.19" in made
    assert "kitchen" in listed and "code-kitchen-1" not in listed
    assert "gateway" in detailed
    assert "True" in shown and "hall" in shown
    assert "could not be found" in gone


def test_plugins_are_created_listed_shown_updated_and_deleted(
    iotronic: Upstream, tmp_path: Path
) -> None:
    """The life of a plugin by upstream's commands; text with é and 😀 comes back."""
    source = tmp_path / "greet.py"
    source.write_text(CODE + "# é 😀\n", encoding="utf-8")

    iotronic("plugin-create", "greet", str(source), "--callable")
    listed = iotronic("plugin-list")
    shown = iotronic("plugin-show", "greet")
    iotronic("plugin-update", "greet", "public=true")
    public = iotronic("plugin-list", "--public")
    iotronic("plugin-delete", "greet")
    gone = iotronic("plugin-show", "greet", code=1)

    assert "greet" in listed and "greet" in public
    assert "é 😀" in shown
    assert "could not be found" in gone


def test_fleets_are_created_listed_shown_updated_filled_and_deleted(iotronic: Upstream) -> None:
    """The life of a fleet by upstream's commands, by name and by uuid."""
    iotronic("fleet-create", "slope", "--description", "south")
    iotronic("board-create", "s-1", "code-slope-1", "gateway", "1", "2", "3", "--fleet", "slope")
    listed = iotronic("fleet-list", "--detail")
    shown = iotronic.json("fleet-show", "slope")
    iotronic("fleet-update", "slope", "description=north")
    by_name = iotronic("boards-in-fleet", "slope", "--detail")
    by_uuid = iotronic("boards-in-fleet", shown["uuid"], "--status", "registered")
    none = iotronic("boards-in-fleet", "slope", "--status", "online")
    iotronic("board-delete", "s-1")
    iotronic("fleet-delete", "slope")

    assert "slope" in listed and "south" in listed
    assert "s-1" in by_name and "s-1" in by_uuid
    assert "s-1" not in none
    assert "slope" not in iotronic("fleet-list")


def test_a_callable_plugin_is_injected_called_and_removed(
    iotronic: Upstream, board: str, tmp_path: Path
) -> None:
    """Inject, call with parameters, list and remove by upstream's commands."""
    source = tmp_path / "hello.py"
    source.write_text(CODE, encoding="utf-8")
    iotronic("plugin-create", "hello", str(source), "--callable")

    injected = iotronic("plugin-inject", board, "hello")
    on_board = iotronic("plugins-on-board", board)
    called = iotronic("plugin-action", board, "hello", "PluginCall", "--params", "who=you")
    in_use = iotronic("plugin-delete", "hello", code=1)
    iotronic("plugin-remove", board, "hello")
    after = iotronic("plugins-on-board", board)

    assert "injected" in injected.lower()
    assert "injected" in on_board
    assert "hello you" in called
    assert "injected on 1 board" in in_use
    assert "injected" not in after
    iotronic("plugin-delete", "hello")


NETWORK = "6f1d2c3b-0000-4000-8000-000000000001"
SUBNET = "6f1d2c3b-0000-4000-8000-000000000002"


def test_services_are_created_exposed_restored_and_deleted(iotronic: Upstream, board: str) -> None:
    """The life of a service, and of its public port on a board, by upstream's commands."""
    iotronic("service-create", "ssh", "22", "TCP")
    listed = iotronic("service-list", "--sort-key", "port", "--sort-dir", "desc")
    detailed = iotronic("service-list", "--detail", "--limit", "1")
    enabled = iotronic("enable-service", board, "ssh")
    exposed = iotronic("services-on-board", board)
    restored = iotronic("restore-service", board, "ssh")
    every = iotronic("restore-services", board)
    in_use = iotronic("service-delete", "ssh", code=1)
    disabled = iotronic("disable-service", board, "ssh")
    after = iotronic("services-on-board", board)
    iotronic("service-update", "ssh", "port=2222", "name=shell", "extra={'a': 1}")
    shown = iotronic.json("service-show", "shell")
    iotronic("service-delete", "shell")
    gone = iotronic("service-show", "shell", code=1)

    assert "ssh" in listed and "TCP" in detailed
    [port] = re.findall(r"public port (\d+)", enabled)
    assert port in exposed and port in every
    assert "restored" in restored and "disabled" in disabled
    assert "exposed on 1 board" in in_use
    assert port not in after
    assert (shown["port"], shown["protocol"], shown["extra"]) == (2222, "TCP", {"a": 1})
    assert "could not be found" in gone


def test_web_services_are_enabled_exposed_and_withdrawn(iotronic: Upstream, board: str) -> None:
    """A board's name and the web services below it, by upstream's commands."""
    early = iotronic("expose-webservice", board, "cam", "8080", code=1)
    name = ("kitchen", "example.org", "me@example.org")
    told = iotronic("--json", "enable-webservices", board, *name)
    enabled = json.loads(told.partition("\n")[2])  # the client prints an object of its own first
    made = iotronic.json("expose-webservice", board, "cam", "8080")
    listed = iotronic("webservice-list", "--detail")
    on_board = iotronic("webservices-on-board", board)
    on_board_detailed = iotronic("webservices-on-board", board, "--detail")
    boards = iotronic("enabled-webservice-list")
    boards_detailed = iotronic("enabled-webservice-list", "--detail", "--limit", "1")
    shown = iotronic.json("webservice-show", made["uuid"])
    iotronic("unexpose-webservice", made["uuid"])
    gone = iotronic("webservice-show", made["uuid"], code=1)
    iotronic("disable-webservices", board)

    assert "not enabled" in early
    assert (enabled["board_uuid"], enabled["dns"], enabled["zone"]) == (
        board,
        "kitchen",
        "example.org",
    )
    assert (shown["name"], shown["port"], shown["secure"]) == ("cam", 8080, True)
    for text in (listed, on_board, on_board_detailed):
        assert made["uuid"] in text
    for text in (boards, boards_detailed):
        assert board in text and str(enabled["https_port"]) in text
    assert "could not be found" in gone
    assert board not in iotronic("enabled-webservice-list")


def test_ports_are_attached_listed_and_detached(iotronic: Upstream, board: str) -> None:
    """A board's port on a network by upstream's commands."""
    made = dict(re.findall(r"\| (\w+) +\| (\S+)", iotronic("port-attach", board, NETWORK, SUBNET)))
    listed = iotronic("port-list")
    detailed = iotronic("port-list", "--detail", "--limit", "1")
    some = iotronic("port-list", "--fields", "uuid", "VIF_name")
    detached = iotronic("port-detach", board, made["uuid"])
    after = iotronic("port-list")

    assert (made["board_uuid"], made["network"]) == (board, SUBNET)
    assert made["VIF_name"].startswith("iotronic")
    for text in (listed, detailed, some):
        assert made["uuid"] in text
    assert made["ip"] in listed
    assert made["uuid"] not in after
    assert detached is not None


def test_every_command_is_run_here(iotronic: Upstream) -> None:
    """No command of upstream's client is left out of this file."""
    words = iotronic("bash-completion").split()
    commands = {word for word in words if not word.startswith("-")}
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    ran = {
        word.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for word in call.args[:2]
        if isinstance(word, ast.Constant)
    }

    assert len(commands) > 35
    assert commands - ran == set()
    assert "board-create" in iotronic("help")


def test_a_running_plugin_is_started_asked_and_stopped(
    iotronic: Upstream, board: str, tmp_path: Path
) -> None:
    """Start, status, stop and reboot by upstream's commands."""
    source = tmp_path / "loop.py"
    source.write_text(LOOP, encoding="utf-8")
    iotronic("plugin-create", "loop", str(source))
    iotronic("plugin-inject", board, "loop", "--onboot")

    started = iotronic("plugin-action", board, "loop", "PluginStart")
    alive = iotronic("plugin-action", board, "loop", "PluginStatus")
    rebooted = iotronic("plugin-action", board, "loop", "PluginReboot")
    stopped = iotronic("plugin-action", board, "loop", "PluginStop")
    dead = iotronic("plugin-action", board, "loop", "PluginStatus")
    iotronic("plugin-remove", board, "loop")

    assert "STARTED" in started
    assert "ALIVE" in alive
    assert "REBOOTED" in rebooted
    assert "STOPPED" in stopped
    assert "DEAD" in dead

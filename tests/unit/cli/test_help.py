"""Names, help texts and entry points of all commands."""

from __future__ import annotations

import configparser
import doctest
import inspect
import io
import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest

from iotronic_mec.cli import arguments, commands, progress
from iotronic_mec.cli.commands import COMMANDS, entry_point
from iotronic_mec.cli.progress import Bar
from iotronic_mec.cli.v1 import plugin
from iotronic_mec.sdk import Request
from tests.unit.cli.conftest import Iot


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.mark.parametrize("name", COMMANDS)
def test_help_tells_what_and_exit_codes(iot: Iot, name: str) -> None:
    """Each command has help, which ends with the exit codes."""
    found = iot(*name.split(), "--help")

    assert found.code == 0
    assert found.out.startswith(f"usage: iot {name}")
    assert "exit codes: 0 done" in found.out


@pytest.mark.parametrize("target", COMMANDS.values())
def test_docstrings_are_help_texts(target: str) -> None:
    """The first line is a phrase without full stop, as OpenStack's commands have it."""
    command = EntryPoint(name="x", value=target, group="x").load()

    first = (inspect.getdoc(command) or "").partition("\n")[0]
    assert first
    assert not first.endswith(".")


def test_entry_points_are_the_commands(repository: Path) -> None:
    """``openstack`` is told of each command, and of no other."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.optionxform = str  # type: ignore[assignment,method-assign]
    setup.read(repository / "setup.cfg")
    lines = setup["options.entry_points"]["openstack.iot.v1"].strip().splitlines()

    stated = dict(line.split(" = ") for line in lines if not line.startswith("#"))

    assert stated == {entry_point(name): target for name, target in COMMANDS.items()}


def test_help_lists_all_commands(bare_iot: Iot) -> None:
    """``iot --help`` needs no credentials and lists everything."""
    found = bare_iot("--help")

    assert found.code == 0
    assert all(f"  {name}" in found.out for name in COMMANDS)


def test_options_without_a_command_are_wrong_usage(bare_iot: Iot) -> None:
    """No interactive mode: a command is asked for."""
    with pytest.raises(SystemExit) as ended:
        bare_iot("--insecure")

    assert ended.value.code == 2


def test_openstacks_client_is_not_imported() -> None:
    """``iot`` starts without the weight of openstacksdk."""
    program = (
        "import sys\n"
        "from iotronic_mec.cli.shell import Shell\n"
        "from iotronic_mec.cli.v1 import audit, board, identity, injection, plugin, request\n"
        "sys.exit('openstack' in sys.modules or 'osc_lib.utils' in sys.modules)\n"
    )

    assert subprocess.run([sys.executable, "-c", program], timeout=20).returncode == 0


@pytest.mark.parametrize("module", [arguments, commands, progress, plugin])
def test_examples_of_the_docstrings(module: object) -> None:
    """The examples in the documentation are true."""
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


def test_terminal_gets_a_bar_that_goes_away() -> None:
    """On a terminal one line is drawn over and over, and taken away at the end."""
    stream = Terminal()
    bar = Bar(stream, "call p on b")

    bar(Request(uuid="u", state="queued"), 0.0)
    bar(Request(uuid="u", state="running"), 1.0)
    bar.close()

    frames = stream.getvalue().split("\r")
    assert frames[1].startswith("[======")
    assert "call p on b: running, 1.0 s" in frames[2]
    assert frames[3].strip() == ""
    assert "\n" not in stream.getvalue()


def test_files_get_a_line_for_each_state() -> None:
    """Elsewhere a state is told once."""
    stream = io.StringIO()
    bar = Bar(stream, "call p on b")

    bar(Request(uuid="u", state="queued"), 0.0)
    bar(Request(uuid="u", state="queued"), 0.5)
    bar(Request(uuid="u", state="running"), 1.0)
    bar.close()

    assert stream.getvalue().splitlines() == [
        "call p on b: queued after 0.0 s",
        "call p on b: running after 1.0 s",
    ]


@pytest.mark.slow
@pytest.mark.skipif(
    not entry_points(group="openstack.iot.v1"), reason="the package is not installed"
)
def test_openstack_runs_the_same_commands(
    repository: Path, monkeypatch: pytest.MonkeyPatch, iot: Iot
) -> None:
    """``openstack iot board list`` works with token and address alone."""
    words = [sys.executable, "-m", "openstackclient.shell", "iot", "board", "list"]

    done = subprocess.run(
        [*words, "-f", "value", "-c", "name"],
        cwd=repository,
        capture_output=True,
        text=True,
        timeout=40,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "kitchen\n", "")

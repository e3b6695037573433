"""``iot plugin run``: the agent's command as a child, in the real sandbox."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from iotronic_mec.cli.v1 import plugin_run
from tests.unit.cli.conftest import Iot

ADD = "def main(context, a, b):\n    context.log('adding')\n    return {'sum': a + b}\n"
BEAT = (
    "def main(context):\n"
    "    context.log('begun')\n"
    "    while not context.stopping.wait(0.05):\n"
    "        pass\n"
    "    return {'stopped': True}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with plugins."""
    (tmp_path / "add.py").write_text(ADD)
    (tmp_path / "beat.py").write_text(BEAT)
    return tmp_path


def command(*words: str) -> list[str]:
    """Return the words of a command line, for a process of its own."""
    script = "import sys; from iotronic_mec.cli.shell import main; sys.exit(main(sys.argv[1:]))"
    return [sys.executable, "-c", script, "plugin", "run", *words]


def environment() -> dict[str, str]:
    """Return the environment without a cloud."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    kept.pop("IOTRONIC_URL", None)
    return kept


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command to its end in ``folder``."""
    return subprocess.run(
        command(*words),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_it_needs_no_cloud(folder: Path) -> None:
    """Parameters go in, the result comes out as JSON, logs beside it."""
    (folder / "more.json").write_text('{"a": 1, "b": 5}')

    done = run(folder, "add.py", "--callable", "--params", "@more.json", "--param", "a=37")

    assert (done.returncode, json.loads(done.stdout)) == (0, {"sum": 42})
    assert "[log] adding" in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("add.py", "--callable", "--param", "a=1", "--param", "b=null"), 1),
        (("nowhere.py",), 2),
        (("beat.py", "--timeout", "0.3"), 124),
        (("beat.py", "--timeout", "9999"), 2),
    ],
)
def test_its_exit_code_is_the_childs(folder: Path, words: tuple[str, ...], code: int) -> None:
    """Failures, wrong usage and time-outs can be told apart by scripts."""
    done = run(folder, *words)

    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_the_plugin(folder: Path, number: signal.Signals) -> None:
    """An interrupt is handed on, once: the plugin ends by itself and its result is printed."""
    with subprocess.Popen(
        command("beat.py"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("begun" in line for line in process.stderr)
        process.send_signal(number)
        out, _ = process.communicate(timeout=10)

    assert (process.returncode, json.loads(out)) == (0, {"stopped": True})


def test_no_parameter_is_on_a_command_line(folder: Path) -> None:
    """What may be secret is seen by nobody who lists the processes."""
    (folder / "secret.json").write_text('{"word": "hush-hush"}')
    (folder / "beat.py").write_text(BEAT.replace("(context)", "(context, word)"))

    with subprocess.Popen(
        command("beat.py", "--params", "@secret.json"),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any("begun" in line for line in process.stderr)
        lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
        process.terminate()
        process.communicate(timeout=10)

    assert any(b"plugin-run" in line for line in lines)
    assert not any(b"hush-hush" in line for line in lines)


def test_where_the_agent_is_not_installed(bare_iot: Iot, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setattr(plugin_run, "PROGRAM", "no-such-agent")

    found = bare_iot("plugin", "run", "add.py")

    assert found.code == 2
    assert "pip install 'iotronic-mec[agent]'" in found.err

"""``lightning-agent plugin-run``: plugins in the real sandbox, without a cloud.

Each as root, where these tests are root's, and as an ordinary user; only the latter has user 1000
(in a user namespace, so that it reads this checkout wherever it is).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from lightning_agent.sandbox.launcher import find_bwrap
from lightning_agent.supervisor.plugin_run import printable
from lightning_agent.supervisor.trial import name_of
from tests.agent.conftest import EXAMPLE
from tests.agent.supervised import is_alive, make_zip

ADD = """
def main(context, a, b):
    context.log(f"adding {a} and {b}")
    print("printed")
    return {"sum": a + b}
"""
BEAT = """
def main(context, every_s=0.05):
    beats = 0
    while not context.stopping.wait(every_s):
        beats += 1
        context.log(f"beat {beats}")
    context.log("stopping")
    return {"stopped": True}
"""
WORKER = """
import time
from iotronic_lightningrod.modules.plugins import Plugin
from oslo_log import log as logging

LOG = logging.getLogger(__name__)


class Worker(Plugin.Plugin):
    def __init__(self, uuid, name, q_result=None, params=None):
        super(Worker, self).__init__(uuid, name, q_result, params)

    def run(self):
        LOG.info("Input parameters: " + str(self.params))
        if self.q_result is not None:
            self.q_result.put("ZERO RESULT")
            return
        while self._is_running:
            time.sleep(0.05)
        LOG.info("stopped")
"""
HANG = "def main(context):\n    context.log('hangs')\n    while True: pass\n"


@dataclass(frozen=True, slots=True)
class Place:
    """As whom the command runs: what stands before it."""

    before: tuple[str, ...]
    uid: int

    def words(self, arguments: Sequence[str]) -> list[str]:
        """Return the whole command line."""
        command = [sys.executable, "-m", "lightning_agent", "plugin-run", *arguments]
        return [*self.before, *command]

    def run(self, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end in ``folder``."""
        return subprocess.run(
            self.words(arguments),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def start(self, folder: Path, *arguments: str) -> subprocess.Popen[str]:
        """Start it in ``folder``."""
        return subprocess.Popen(
            self.words(arguments),
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@pytest.fixture(params=["root", "ordinary user"])
def place(request: pytest.FixtureRequest) -> Place:
    """Give both users."""
    if request.param == "root":
        if os.geteuid() != 0:
            pytest.skip("these tests are not root's")
        return Place((), 0)
    if os.geteuid() != 0:
        return Place((), os.geteuid())
    bwrap = find_bwrap()
    assert bwrap is not None
    user = ("--unshare-user", "--uid", "1000", "--gid", "1000")
    return Place((bwrap, *user, "--dev-bind", "/", "/", "--die-with-parent"), 1000)


@pytest.fixture
def ordinary() -> Place:
    """Give whoever runs these tests."""
    return Place((), os.geteuid())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with plugins."""
    tmp_path.chmod(0o755)
    for name, source in (("add", ADD), ("beat", BEAT), ("worker", WORKER), ("hang", HANG)):
        (tmp_path / f"{name}.py").write_text(source)
    return tmp_path


def written(folder: Path, source: str) -> str:
    """Write a plugin and return its name."""
    (folder / "p.py").write_text(source)
    return "p.py"


def wait_for_line(process: subprocess.Popen[str], text: str) -> None:
    """Read the standard error until a line with ``text``."""
    assert process.stderr is not None
    for line in process.stderr:
        if text in line:
            return
    raise AssertionError(f"no line with {text!r}")


def test_a_called_plugin(place: Place, folder: Path) -> None:
    """The result is JSON on the standard output; logs and prints are on the other."""
    done = place.run(folder, "add.py", "--callable", "--parameters", '{"a": 20, "b": 22}')

    assert done.returncode == 0
    assert json.loads(done.stdout) == {"sum": 42}
    assert done.stderr.splitlines() == [
        "[plugin-run] sandbox: level standard",
        "[log] adding 20 and 22",
        "[stdout] printed",
    ]


def test_it_is_confined(place: Place, folder: Path) -> None:
    """The sandbox is that of boards: no network, no files, no environment; positive controls."""
    source = (
        "import os, socket\n"
        "def reaches(port):\n"
        "    try:\n"
        "        socket.create_connection(('127.0.0.1', port), 2).close()\n"
        "    except OSError:\n"
        "        return False\n"
        "    return True\n"
        "def main(context, secret, port):\n"
        "    seen = [name for name in os.environ if name.startswith('PLANTED')]\n"
        "    found = [os.path.exists(path) for path in (secret, '/plugin/plugin.py')]\n"
        "    return [seen, reaches(port), *found]\n"
    )
    secret = folder / "secret"
    secret.write_text("x")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        told = json.dumps({"secret": str(secret), "port": port})
        words = ("--callable", "--quiet", "--parameters", told)
        done = place.run(folder, written(folder, source), *words)
        socket.create_connection(("127.0.0.1", port), 2).close()

    assert json.loads(done.stdout) == [[], False, False, True]
    assert done.stderr == ""
    assert "PLANTED_SECRET" in os.environ


def test_a_failing_plugin(place: Place, folder: Path) -> None:
    """Its own traceback is told, once, and the exit code is 1."""
    done = place.run(folder, "add.py", "--callable", "--parameters", '{"a": 1, "b": null}')

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("TypeError") == 2
    assert '[traceback]   File "plugin.py", line 5, in main' in done.stderr


def test_a_started_plugin_stops_when_interrupted(place: Place, folder: Path) -> None:
    """An interrupt asks it to stop; what it returns is printed, and the exit code is 0."""
    with place.start(folder, "beat.py") as process:
        wait_for_line(process, "beat 2")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    if place.before:
        # bubblewrap is what got the signal, and took all down with it
        assert process.returncode != 0
    else:
        assert (process.returncode, json.loads(out)) == (0, {"stopped": True})
        assert "[log] stopping" in err


@pytest.mark.parametrize("called", [True, False])
def test_the_limit_of_time(place: Place, folder: Path, called: bool) -> None:
    """A plugin that runs too long is ended, with the code of timeout(1)."""
    words = ["beat.py", "--timeout", "0.6", *(["--callable"] if called else [])]

    done = place.run(folder, *words)

    assert (done.returncode, done.stdout) == (124, "")
    assert ("[log] stopping" in done.stderr) is not called
    assert "was still running after 0.6 s" in done.stderr


def test_plugins_of_iotronic(place: Place, folder: Path) -> None:
    """IoTronic's template of a plugin runs unchanged, called and started."""
    called = place.run(folder, "worker.py", "--callable", "--parameters", '{"name": "x"}')
    started = place.run(folder, "worker.py", "--timeout", "1")

    assert (called.returncode, json.loads(called.stdout)) == (0, "ZERO RESULT")
    assert "[log] INFO Input parameters: {'name': 'x'}" in called.stderr
    assert started.returncode == 124
    assert "[log] INFO stopped" in started.stderr


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("import ctypes\ndef main(context):\n    ctypes.string_at(0)\n", 1, "signal 11"),
        ("import os\ndef main(context):\n    os._exit(3)\n", 1, "without a result"),
        # a call is the first process of its namespace, which only outsiders can kill
        ("import os\ndef main(context):\n    os.kill(os.getpid(), 9)\n    os.abort()", 1, "sign"),
        ("def main(context):\n    return {1, 2}\n", 1, "the result is not JSON"),
        ("def main(context):\n    return 'x' * 2000000\n", 1, "at most"),
        ("def main(context:\n", 1, "SyntaxError"),
        ("x = 1\n", 1, "must have"),
        ("import threading\nthreading.Thread(target=lambda: [0 for _ in iter(int, 1)]).start()\n"
         "def main(context):\n    return 7\n", 0, ""),
    ],
    ids=["segfault", "exit", "kill", "set", "large", "syntax", "no main", "busy thread"],
)  # fmt: skip
@pytest.mark.parametrize("called", [True, False])
def test_hostile_plugins(
    place: Place, folder: Path, source: str, code: int, said: str, called: bool
) -> None:
    """Whatever it does, the command ends soon, with the code for it and a word about it."""
    words = [written(folder, source), *(["--callable"] if called else [])]

    done = place.run(folder, *words)

    assert done.returncode == code
    assert said in done.stderr


def test_a_flood_is_bounded(place: Place, folder: Path) -> None:
    """As on a board, a plugin's lines beyond the rate are dropped, and that is said."""
    source = "def main(context):\n    while True: print('x' * 200)\n"

    done = place.run(folder, written(folder, source), "--callable", "--timeout", "2")

    assert done.returncode == 124
    assert "lines were dropped" in done.stderr
    assert len(done.stderr) < 1024 * 1024


def test_nobody_reads(ordinary: Place, folder: Path) -> None:
    """A standard error that nobody reads holds nothing up: neither the limit nor the end."""
    source = "def main(context):\n    while True: print('x' * 200)\n"
    began = time.monotonic()
    words = (written(folder, source), "--callable", "--timeout", "1")

    with ordinary.start(folder, *words) as process:
        code = process.wait(15)
        took_s = time.monotonic() - began

    assert code == 124
    assert took_s < 10


def test_one_that_does_not_stop_is_killed(ordinary: Place, folder: Path) -> None:
    """A second interrupt does not wait for the five seconds of grace."""
    with ordinary.start(folder, "hang.py") as process:
        wait_for_line(process, "hangs")
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.7)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)

    assert process.returncode == 1
    assert "killed" in err
    assert time.monotonic() - began < 4


def test_an_interrupted_call(ordinary: Place, folder: Path) -> None:
    """A call that is interrupted has no result: 130, as a shell says it."""
    with ordinary.start(folder, "hang.py", "--callable") as process:
        wait_for_line(process, "hangs")
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)

    assert (process.returncode, out) == (130, "")


def test_nothing_is_left_behind(
    ordinary: Place, folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """After its end its folder is gone; when it is killed, its sandbox is too."""
    temporary = folder / "tmp"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        ordinary.run(folder, "add.py", "--callable", "--parameters", '{"a": 1, "b": 2}')
        after_end = list(temporary.iterdir())
        process = ordinary.start(folder, "beat.py")
    with process:
        wait_for_line(process, "beat 1")
        (own,) = temporary.iterdir()
        process.kill()

    assert after_end == []
    eventually(lambda: not sandboxes_of(own))


def test_what_a_killed_run_left_is_removed_by_the_next(ordinary: Place, folder: Path) -> None:
    """Its folder goes when it is old; that of a run at work and what is not ours stay."""
    temporary = folder / "tmp"
    temporary.mkdir()
    foreign = temporary / "lightning-plugin-run-file"
    foreign.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        killed = ordinary.start(folder, "beat.py")
        working = ordinary.start(folder, "beat.py")
        with killed, working:
            wait_for_line(killed, "beat 1")
            wait_for_line(working, "beat 1")
            killed.kill()
            killed.wait(10)
            two = {path for path in temporary.iterdir() if path != foreign}
            for path in (*two, foreign):
                os.utime(path, (1, 1))
            ordinary.run(folder, "add.py", "--callable", "--parameters", '{"a": 1, "b": 2}')
            left = {path for path in temporary.iterdir() if path != foreign}
            alive = working.poll() is None
            working.terminate()

    assert (len(two), len(left)) == (2, 1)
    assert left < two
    assert alive
    assert foreign.exists()


def sandboxes_of(own: Path) -> list[str]:
    """Return the processes whose mounts show a run's folder."""
    found = []
    for mounts in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            if f"{own.name}/plugins" in mounts.read_text():
                found.append(mounts.parent.name)
        except OSError:
            continue
    return found


def test_it_ends_with_its_parent(
    ordinary: Place, folder: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    """Told of its parent, it ends when that is killed."""
    words = ordinary.words(["--parent", "$$", "beat.py"])
    shell = " ".join(word if word == "$$" else f"'{word}'" for word in words)
    process = subprocess.Popen(
        ["bash", "-c", f"{shell} & echo $!; wait"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        time.sleep(0.5)
        assert Path(f"/proc/{child}").exists()
        process.kill()

    # nobody may be there to reap it
    eventually(lambda: not is_alive(child))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "PLUGIN is needed"),
        (("nowhere.py",), "nowhere.py is not there"),
        (("notes.txt",), "a .py file, a .zip archive or a folder"),
        (("empty",), "neither plugin.py nor main.py"),
        (("linked",), "is a link"),
        (("broken.zip",), "not a usable zip"),
        (("add.py", "--parameters", "[1]"), "a JSON object is expected"),
        (("add.py", "--parameters", "{"), "not JSON"),
        (("add.py", "--parameters", '{"a": 1e999}'), "not JSON"),
        (("add.py", "--parameters", "@nowhere.json"), "nowhere.json"),
        (("add.py", "--timeout", "0"), "not a number of seconds"),
        (("add.py", "--timeout", "nan"), "not a number of seconds"),
        (("add.py", "--timeout", "3601"), "not a number of seconds"),
        (("add.py", "--pictures", "nowhere"), "--pictures: nowhere is no folder"),
    ],
)
def test_wrong_usage(ordinary: Place, folder: Path, arguments: tuple[str, ...], said: str) -> None:
    """What is wrong is named, and the exit code is 2."""
    (folder / "notes.txt").touch()
    (folder / "empty").mkdir()
    (folder / "linked").mkdir()
    (folder / "linked" / "plugin.py").write_text(ADD)
    (folder / "linked" / "passwd").symlink_to("/etc/passwd")
    (folder / "broken.zip").write_bytes(b"PK")

    done = ordinary.run(folder, *arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_parameters_from_a_file(ordinary: Place, folder: Path) -> None:
    """They need not be on the command line."""
    (folder / "given.json").write_text('{"a": 1, "b": 2}')

    done = ordinary.run(folder, "add.py", "--callable", "--parameters", "@given.json")

    assert json.loads(done.stdout) == {"sum": 3}


@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_folders_and_archives(ordinary: Place, folder: Path, kind: str) -> None:
    """Data files are beside the program; what begins with a dot is not taken along."""
    source = (
        "def main(context):\n"
        "    words = (context.path / 'data' / 'words.txt').read_text()\n"
        "    return [words, sorted(path.name for path in context.path.iterdir())]\n"
    )
    if kind == "folder":
        made = folder / "made"
        (made / "data").mkdir(parents=True)
        (made / "__pycache__").mkdir()
        (made / "__pycache__" / "plugin.pyc").touch()
        (made / ".git").mkdir()
        (made / ".git" / "config").touch()
        (made / "plugin.py").write_text(source)
        (made / "data" / "words.txt").write_text("one two")
    else:
        made = folder / "made.zip"
        made.write_bytes(make_zip({"plugin.py": source.encode(), "data/words.txt": b"one two"}))

    done = ordinary.run(folder, made.name, "--callable")

    assert json.loads(done.stdout) == ["one two", ["data", "plugin.py"]]


def test_cameras(ordinary: Place, folder: Path) -> None:
    """The camera gives computed pictures, or those of a folder."""
    source = (
        "def main(context):\n"
        "    return sorted({frame.name.split('-')[0] for frame in context.camera()})[:3]\n"
    )
    name = written(folder, source)

    computed = ordinary.run(folder, name, "--callable")
    files = ordinary.run(folder, name, "--callable", "--pictures", str(EXAMPLE / "pictures"))

    assert json.loads(computed.stdout) == ["fake"]
    assert all(found.endswith(".png") for found in json.loads(files.stdout))
    assert json.loads(files.stdout)


@pytest.mark.parametrize(
    ("more", "level", "code"), [(["--disable-userns"], "refuse", 3), ([], "standard", 0)]
)
def test_where_the_sandbox_is_refused(
    folder: Path, more: list[str], level: str, code: int
) -> None:
    """Nothing runs where plugins cannot be confined; it says why, and what would help."""
    bwrap = find_bwrap()
    assert bwrap is not None
    before = (bwrap, "--unshare-user", "--uid", "1000", *more, "--dev-bind", "/", "/")
    elsewhere = Place(before, 1000)

    told = elsewhere.run(folder, "--level")
    done = elsewhere.run(folder, "add.py", "--callable", "--parameters", '{"a": 1, "b": 2}')

    assert (told.returncode, done.returncode) == (code, code)
    assert f"sandbox: level {level}" in told.stderr
    assert ("cure: " in done.stderr) is (code == 3)
    assert bool(done.stdout) is (code == 0)


def test_a_terminal_gets_no_orders() -> None:
    """What a plugin writes cannot control the terminal; letters of all scripts stay."""
    assert printable("\x1b]0;title\x07 \x9b31m\r") == "\\x1b]0;title\\x07 \\x9b31m\\x0d"
    assert printable("über\tЖ 漢") == "über\tЖ 漢"


@pytest.mark.parametrize(
    ("source", "name"),
    [("a.py", "a"), ("dir/b c.zip", "b-c"), ("x" * 99, "x" * 64), ("..py", "-")],
)
def test_names(source: str, name: str) -> None:
    """A plugin's name here is one that a supervisor takes."""
    assert name_of(Path(source)) == name

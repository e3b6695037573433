"""The command line and the owner's file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lightning_agent import cmd
from lightning_agent.conf import CloudConf, ConfRefused, check_url, load, write_cloud
from lightning_agent.session import enrol_command, process
from lightning_agent.session.version import AGENT_VERSION
from lightning_agent.state.identity import BoardKey, Identity, store_identity

HEAVY = ("twisted", "autobahn", "nacl", "sqlite3")


def modules_of(*arguments: str) -> set[str]:
    """Return the heavy packages that a command line loads until its help is printed."""
    script = (
        "import sys\n"
        "from lightning_agent.cmd import main\n"
        "try:\n"
        f"    main({list(arguments)!r})\n"
        "except SystemExit:\n"
        "    pass\n"
        f"sys.stderr.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["supervise", "--help"], ["--help"]])
def test_light_commands_load_nothing_heavy(arguments: list[str]) -> None:
    """The supervisor never sees Twisted."""
    assert modules_of(*arguments) == set()


@pytest.mark.parametrize("arguments", [[], ["dance"]])
def test_unknown_command_is_explained(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong command ends with 2 and names the right ones."""
    code = cmd.main(arguments)

    assert code == 2
    assert "lightning-agent" in capsys.readouterr().err


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Help names each command with what it does."""
    assert cmd.main(["--help"]) == 0

    words = capsys.readouterr().out
    assert [name for name in cmd.COMMANDS if f"  {name} " not in words] == []


def test_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    """The version is printed alone on its line."""
    assert cmd.main(["--version"]) == 0

    assert capsys.readouterr().out.strip() == AGENT_VERSION


@pytest.mark.slow
@pytest.mark.parametrize(("options", "supervised"), [([], True), (["--no-supervisor"], False)])
def test_a_supervisor_of_the_init_system_is_waited_for(
    tmp_path: Path, options: list[str], supervised: bool
) -> None:
    """With the option none is started, so that two never compete for the state directory."""
    BoardKey.load_or_make(tmp_path)
    board = "11111111-2222-3333-4444-555555555555"
    identity = Identity(board=board, name="b", project="p", url="ws://127.0.0.1:9/ws")
    store_identity(tmp_path, identity)
    command = [sys.executable, "-m", "lightning_agent", "run", "--stop-plugins", *options]
    agent = subprocess.Popen(
        [*command, "--state-dir", str(tmp_path)], stderr=subprocess.DEVNULL, cwd=tmp_path
    )
    try:
        end = time.monotonic() + (20 if supervised else 2)
        while not (tmp_path / "supervisor.sock").exists() and time.monotonic() < end:
            time.sleep(0.05)
        found = (tmp_path / "supervisor.sock").exists()
    finally:
        agent.terminate()
        agent.wait(10)
    end = time.monotonic() + 10
    while (tmp_path / "supervisor.sock").exists() and time.monotonic() < end:
        time.sleep(0.05)

    assert found is supervised
    assert not (tmp_path / "supervisor.sock").exists()


@pytest.mark.parametrize(
    ("owner", "becomes"), [(12345, "12345 12345 [12345]"), (0, "0 0"), (None, "0 0")]
)
def test_root_becomes_the_owner_of_the_state_directory(
    tmp_path: Path, owner: int | None, becomes: str
) -> None:
    """What root writes there is never out of the agent's reach; an ordinary user stays."""
    folder = tmp_path / "state"
    if owner is not None:
        folder.mkdir()
    if os.geteuid() == 0 and owner is not None:
        os.chown(folder, owner, owner)
    elif os.geteuid() != 0:
        becomes = f"{os.geteuid()} {os.getegid()}"
    script = (
        "import os, pathlib, sys\n"
        "from lightning_agent.state.files import become_owner\n"
        "become_owner(pathlib.Path(sys.argv[1]))\n"
        "assert len(set(os.getresuid() + os.getresgid())) <= 2\n"
        "print(os.getuid(), os.getgid(), os.getgroups())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )

    assert done.stdout.startswith(becomes)


@pytest.mark.slow
def test_run_without_identity_says_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A board that is not enrolled ends with 3 and the command that enrols it."""
    done = subprocess.run(
        [sys.executable, "-m", "lightning_agent", "run", "--state-dir", str(tmp_path / "s")],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert done.returncode == 3
    assert "lightning-agent enrol CODE URL" in done.stderr
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700


def test_second_agent_is_refused(tmp_path: Path) -> None:
    """Two agents never share a state directory."""
    first = process.take_lock(tmp_path)

    second = process.take_lock(tmp_path)

    assert first is not None
    assert second is None


def test_wrong_address_is_refused_before_anything_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An address that is no WebSocket's ends with 2 and shows one that is."""
    code = enrol_command.main(
        ["12345678", "http://cloud.example", "--state-dir", str(tmp_path / "s")]
    )

    assert code == 2
    assert "wss://" in capsys.readouterr().err


def test_defaults_need_no_file(tmp_path: Path) -> None:
    """Without agent.toml everything has its default."""
    conf = load(tmp_path)

    assert conf.cloud == CloudConf()
    assert conf.concurrency == 32


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "cloud = 1",
        '[cloud]\nurl = "http://x"',
        '[cloud]\nurl = "ws://"',
        '[cloud]\nurl = "ws://user@x/ws"',
        '[cloud]\nurl = "ws://x:99999/"',
        "[cloud]\nca = 5",
        "[agent]\nconcurrency = 0",
        "[agent]\nconcurrency = true",
        '[agent]\nlog_level = "loud"',
        '[agent]\nmodules = "x:Y"',
    ],
)
def test_wrong_setting_names_the_file(tmp_path: Path, text: str) -> None:
    """A wrong setting is refused in one line with the file's name."""
    (tmp_path / "agent.toml").write_text(text)

    with pytest.raises(ConfRefused, match=r"agent\.toml"):
        load(tmp_path)


def test_unusable_state_directory_is_refused(tmp_path: Path) -> None:
    """A state directory that is a file is refused with the option that helps."""
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfRefused, match="--state-dir"):
        load(tmp_path / "file" / "state")


@pytest.mark.parametrize(
    "before",
    ["", "[camera.default]\n", "[cloud]\n", '[cloud]\ncode = "c"\n[agent]\nconcurrency = 3\n'],
)
def test_written_address_is_read_again(tmp_path: Path, before: str) -> None:
    """What enrolment writes is what the next start reads; writing twice changes nothing."""
    (tmp_path / "agent.toml").write_text(before)
    cloud = CloudConf(url="wss://c.example/ws", realm="r", ca="/etc/ca.pem")

    write_cloud(tmp_path, cloud)
    once = (tmp_path / "agent.toml").read_text()
    write_cloud(tmp_path, cloud)

    assert load(tmp_path).cloud == cloud
    assert (tmp_path / "agent.toml").read_text() == once


@pytest.mark.parametrize("url", ["ws://h/ws", "wss://h:1/ws", "ws://[::1]:8443/ws"])
def test_addresses_of_websockets_are_taken(url: str) -> None:
    """ws and wss, names and numbers."""
    assert check_url(url) == url


@pytest.mark.slow
def test_agent_does_not_load_numpy() -> None:
    """The agent's process stays small where router and inference are installed as well."""
    script = (
        "import sys\n"
        "import contextlib\n"
        "from lightning_agent import cmd\n"
        "sys.argv = ['lightning-agent', 'run', '--help']\n"
        "with contextlib.suppress(SystemExit):\n"
        "    cmd.main()\n"
        "sys.exit(', '.join({'numpy', 'bjdata.decoder'} & set(sys.modules)) or 0)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30
    )

    assert done.returncode == 0, done.stderr


def test_a_relative_state_dir_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor is told of files by their whole path, wherever run was called."""
    monkeypatch.chdir(tmp_path)

    conf = load(Path("board"))

    assert conf.state_dir == tmp_path / "board"

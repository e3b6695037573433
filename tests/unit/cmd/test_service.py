"""The separate processes' start: what is missing is said in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from iotronic_mec.cmd import api, conductor, gateway, service, state_dir, wamp_agent
from iotronic_mec.conf import BadConfiguration
from iotronic_mec.errors import Error

PROGRAMS = ("api", "conductor", "wamp-agent", "gateway")
MODULES = (api, conductor, wamp_agent, gateway)

WHOLE = """
[rpc]
transport_url = rabbit://guest:guest@127.0.0.1:1/none
[database]
connection = postgresql://nobody@127.0.0.1:1/none
[cloud]
state_dir = {folder}/state
public_url = http://127.0.0.1:9/
content_url = http://127.0.0.1:8
secret_file = {folder}/secret.key
[wamp_agent]
url = ws://127.0.0.1:7/ws
"""


def write(folder: Path, text: str = WHOLE, secret: bytes = b"s" * 32) -> Path:
    """Write a configuration and a secret."""
    (folder / "secret.key").write_bytes(secret)
    path = folder / "iotronic.conf"
    path.write_text(text.format(folder=folder), encoding="utf-8")
    return path


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a console script."""
    script = Path(sys.executable).with_name(f"iotronic-mec-{program}")
    return subprocess.run(
        [str(script), *arguments], capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize("program", PROGRAMS)
def test_help(program: str) -> None:
    """``--help`` names the program and its files."""
    done = run(program, "--help")

    assert done.returncode == 0
    assert f"iotronic-mec-{program}" in done.stdout
    assert "--config-file" in done.stdout


@pytest.mark.parametrize("module", MODULES)
def test_no_broker(module: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a broker each says so in one line and ends with 1."""
    path = write(tmp_path, WHOLE.replace("rabbit://guest:guest@127.0.0.1:1/none", "local"))

    code = module.main(["--config-file", str(path)])

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert code == 1
    assert line.startswith(f"{module.PROGRAM}: [rpc] transport_url is not set")


def test_everything_there(tmp_path: Path) -> None:
    """A whole configuration is read; addresses have no slash at their end."""
    path = write(tmp_path)

    made = service.prepare("p", [path], (("cloud", "public_url"),))

    assert made.settings.public_url == "http://127.0.0.1:9"
    assert made.secret == b"s" * 32
    assert made.folder.path == tmp_path / "state"
    assert made.folder.path.stat().st_mode & 0o777 == 0o700
    assert made.settings.config_files == (path,)


def test_a_later_file_outranks(tmp_path: Path) -> None:
    """What a second file says counts; the rest is the first one's."""
    first, second = write(tmp_path), tmp_path / "own.conf"
    second.write_text(f"[cloud]\nstate_dir = {tmp_path}/own\n", encoding="utf-8")

    made = service.prepare("p", [first, second], ())

    assert made.folder.path == tmp_path / "own"
    assert made.settings.content_url == "http://127.0.0.1:8"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("public_url = http://127.0.0.1:9/", ""), r"\[cloud\] public_url is not set"),
        (("secret_file = {folder}/secret.key", "secret_file = none"), "head -c 32"),
        (("[cloud]", "[api]\nthreads = none\n[cloud]"), "threads"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], told: str) -> None:
    """The sentence names the option and what to do."""
    path = write(tmp_path, WHOLE.replace(*change))

    with pytest.raises(Error, match=told):
        service.prepare("p", [path], (("cloud", "public_url"),))


def test_a_short_secret(tmp_path: Path) -> None:
    """A secret that can be guessed is refused."""
    path = write(tmp_path, secret=b"short")

    with pytest.raises(BadConfiguration, match="5 bytes"):
        service.prepare("p", [path], ())


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A configuration file that was named must exist."""
    with pytest.raises(BadConfiguration, match="cannot be read"):
        service.prepare("p", [tmp_path / "none.conf"], ())


def test_two_wamp_agents_on_one_folder(tmp_path: Path) -> None:
    """The second is refused; on folders of their own both are let in."""
    one, two = (state_dir.prepare(tmp_path / name) for name in ("one", "two"))
    held = state_dir.lock(one, "iotronic-mec-wamp-agent")
    other = state_dir.lock(two, "iotronic-mec-wamp-agent")

    with pytest.raises(state_dir.StateDirUnusable, match="another 'iotronic-mec-wamp-agent'"):
        state_dir.lock(one, "iotronic-mec-wamp-agent")
    assert state_dir.wamp_agent_uuid(one) != state_dir.wamp_agent_uuid(two)
    held.release()
    other.release()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("router = joined", "[wamp_agent] socket is not set"),
        ("host = 0.0.0.0", "[wamp_agent] certificate and key"),
        ("certificate = /none/chain.pem\nkey = /none/key.pem", "/none/chain.pem cannot be read"),
    ],
)
def test_a_router_that_cannot_run(
    tmp_path: Path, option: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wamp agent says in one line why its router cannot run, before anything starts."""
    path = write(tmp_path, f"{WHOLE}{option}\n")

    code = wamp_agent.main(["--config-file", str(path)])

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert code == 1
    assert line.startswith("iotronic-mec-wamp-agent: ")
    assert told in line

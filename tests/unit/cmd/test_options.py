"""What the standalone command refuses before anything starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from iotronic_mec.cmd import options, standalone, state_dir
from iotronic_mec.cmd.options import Options, Refused


@pytest.fixture
def taken() -> Iterator[int]:
    """Give a port somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield int(listener.getsockname()[1])


def wanted(folder: Path, *arguments: str) -> Options:
    """Return the options of a command line."""
    given = options.build_parser().parse_args(["--state-dir", str(folder), *arguments])
    return options.build_options(given, state_dir.prepare(folder))


def test_the_addresses_follow_the_options(tmp_path: Path) -> None:
    """Defaults first."""
    plain = wanted(tmp_path / "s")

    assert plain.public_url == "http://127.0.0.1:1288"
    assert plain.content_url == "http://127.0.0.1:1289"
    assert plain.wamp_url == "ws://127.0.0.1:8443/ws"


def test_a_certificate_makes_all_addresses_secure(tmp_path: Path) -> None:
    """And the public name stands in them."""
    secure = wanted(
        tmp_path / "s", "--public-host", "cloud.example", "--cert", "c.pem", "--key", "k.pem"
    )

    assert secure.public_url == "https://cloud.example:1288"
    assert secure.wamp_url == "wss://cloud.example:8443/ws"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_listener_needs_no_certificate(host: str) -> None:
    """Nobody else can reach it."""
    options.check_listener(host, None, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "cloud.example"])
def test_another_listener_needs_a_certificate(host: str) -> None:
    """The sentence says what to do."""
    with pytest.raises(Refused, match="--cert and --key"):
        options.check_listener(host, None, None)


def test_certificate_files_have_to_be_there(tmp_path: Path) -> None:
    """Both, and readable."""
    there = tmp_path / "c.pem"
    there.write_text("x")

    with pytest.raises(Refused, match="belong together"):
        options.check_listener("0.0.0.0", there, None)
    with pytest.raises(Refused, match="cannot be read"):
        options.check_listener("0.0.0.0", there, tmp_path / "absent.pem")


@pytest.mark.parametrize("option", ["--port", "--content-port", "--wamp-port"])
def test_a_taken_port_is_named_with_its_option(tmp_path: Path, taken: int, option: str) -> None:
    """So that one knows which to change."""
    ports = {"--port": "20001", "--content-port": "20002", "--wamp-port": "20003"}
    words = [word for pair in {**ports, option: str(taken)}.items() for word in pair]

    with pytest.raises(Refused, match=rf"port {taken} on 127.0.0.1 is in use: .* {option}"):
        options.check_ports(wanted(tmp_path / "s", *words), 0.0)


def test_the_three_ports_differ(tmp_path: Path) -> None:
    """Before one of them is found taken by another."""
    with pytest.raises(Refused, match="must differ"):
        options.check_ports(wanted(tmp_path / "s", "--port", "1289"), 0.0)


@pytest.mark.parametrize("port", ["0", "65536", "x"])
def test_a_port_is_a_port(tmp_path: Path, port: str) -> None:
    """Wrong arguments end with 2, as the parser does."""
    with pytest.raises(SystemExit, match="2"):
        wanted(tmp_path / "s", "--port", port)


def test_a_refusal_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And exit code 1."""
    code = standalone.run(["--state-dir", str(tmp_path / "s"), "--host", "0.0.0.0"])

    told = capsys.readouterr().err
    assert code == 1
    assert told.startswith("iotronic-mec standalone: 0.0.0.0 can be reached")
    assert told.count("\n") == 1


def test_a_second_cloud_on_the_same_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told which process holds it."""
    held = state_dir.lock(state_dir.prepare(tmp_path / "s"))

    code = standalone.run(["--state-dir", str(tmp_path / "s")])

    told = capsys.readouterr().err
    held.release()
    assert code == 1
    assert "another 'iotronic-mec standalone' (process" in told
    assert told.count("\n") == 1


def test_an_agent_without_bubblewrap_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says what to install; where it is installed nothing is said."""
    monkeypatch.setattr(options.shutil, "which", lambda name: None)
    with pytest.raises(options.Refused, match="apt-get install -y bubblewrap"):
        options.check_agent()

    monkeypatch.setattr(options.shutil, "which", lambda name: "/usr/bin/bwrap")
    options.check_agent()

"""``iotronic-mec status upgrade-check``: nothing to do, look, or stop."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from iotronic_mec.cmd import core, status, upgrade_checks
from iotronic_mec.cmd.upgrade_checks import CHECKS, Code
from iotronic_mec.db import migrate
from tests.fakes import engines


def check(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """Run it; return the exit code and each check's result and details."""
    folder.chmod(0o700)
    code = status.run(["upgrade-check", "--state-dir", str(folder), "--json"])
    listed = json.loads(capsys.readouterr().out)["checks"]
    return code, {
        each["check"]: f"{Code(each['result']).name}: {each['details']}" for each in listed
    }


def write(folder: Path, **files: str) -> None:
    """Write files of the state directory, their dots as underscores."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


def test_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database at this release needs nothing."""
    migrate.upgrade(core.database_url(tmp_path))

    code, told = check(tmp_path, capsys)

    assert code == 0, told
    assert list(told) == [name for name, _ in CHECKS]
    assert migrate.head() in told["Database schema"]


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty state directory needs nothing, and nothing is made by looking."""
    code, told = check(tmp_path, capsys)

    assert code == 0, told
    assert list(tmp_path.iterdir()) == []


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is the one OpenStack's operators know."""
    tmp_path.chmod(0o700)
    status.run(["upgrade-check", "--state-dir", str(tmp_path)])

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == lines[2] == lines[-1]
    assert lines[1].startswith("| Upgrade Check Results ")
    assert lines[3].startswith("| Check: Packages ")
    assert lines[4].startswith("| Result: Success ")
    assert len({len(line) for line in lines}) == 1


def test_old_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database behind this release is a warning that names the command."""
    url = core.database_url(tmp_path)
    migrate.upgrade(url)
    last = migrate.pending(None)[-3]
    (tmp_path / core.DATABASE_NAME).unlink()
    migrate.upgrade(url, last)

    code, told = check(tmp_path, capsys)

    assert code == 1
    assert told["Database schema"].startswith(f"WARNING: at {last}, 2 revisions before")
    assert "iotronic-mec db upgrade" in told["Database schema"]


def test_database_of_a_newer_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database ahead of this release is a warning."""
    url = core.database_url(tmp_path)
    migrate.upgrade(url)
    with sqlite3.connect(tmp_path / core.DATABASE_NAME) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    connection.close()

    code, told = check(tmp_path, capsys)

    assert code == 1
    assert "newer release" in told["Database schema"]


@pytest.mark.parametrize(
    ("name", "text", "code", "words"),
    [
        ("iotronic_conf", "[api]\nmax_limit = many\n", 2, ["Configuration", "max_limit"]),
        ("iotronic_conf", "[api]\nmax_limt = 5\n", 1, ["Configuration", "max_limit is meant?"]),
        ("iotronic_conf", "[databases]\nx = 1\n", 1, ["Configuration", "[databases]", "database"]),
        ("iotronic_conf", "[oslo_messaging_rabbit]\nssl = no\n", 0, ["Configuration", "known"]),
        (
            "iotronic_conf",
            "[reach]\ndns_driver = designate\n",
            2,
            ["Configuration", "[reach] zones", "designate"],
        ),
        (
            "iotronic_conf",
            "[reach]\ndns_driver = fake\nzones = a.example\n",
            0,
            ["Configuration", "known"],
        ),
        ("iotronic_conf", "[storage]\ndriver = tape\n", 2, ["Drivers", "tape"]),
        ("iotronic_conf", "[metrics]\nport = 1\nhost = 0.0.0.0\n", 2, ["Metrics", "token_file"]),
        ("iotronic_conf", "[metrics]\nport = 9100\n", 0, ["Metrics", "9100"]),
        ("policy_yaml", "iot:board:get: 'rule:nowhere'\n", 2, ["Policy", "rule nowhere"]),
        ("policy_yaml", "iot:board:get: 'foo bar'\n", 2, ["Policy", "cannot be read"]),
        ("policy_yaml", "a: [", 2, ["Policy", "policy.yaml"]),
        ("policy_yaml", "- x\n", 2, ["Policy", "policy.yaml"]),
        ("policy_yaml", "iot:boards:get: '@'\n", 1, ["Policy", "iot:boards:get"]),
        ("policy_yaml", "own: 'role:x'\niot:board:get: 'rule:own'\n", 0, ["Policy", "known"]),
    ],
)
def test_files_of_the_operator(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    text: str,
    code: int,
    words: list[str],
) -> None:
    """What is wrong is a failure, what has no effect a warning; both are named."""
    write(tmp_path, **{name: text})

    found, told = check(tmp_path, capsys)

    assert found == code, told
    assert told[words[0]].startswith(Code(code).name)
    assert all(word in told[words[0]] for word in words[1:]), told


@pytest.mark.parametrize(("extra", "check_name"), [("server", "Packages"), ("router", "Router")])
def test_missing_package(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    extra: str,
    check_name: str,
) -> None:
    """A missing extra stops an upgrade."""
    monkeypatch.setattr(
        upgrade_checks, "missing", lambda asked: ["not installed"] if asked == extra else []
    )

    code, told = check(tmp_path, capsys)

    assert code == 2
    assert told[check_name] == "FAILURE: not installed"


def test_old_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An engine older than those that are tested stops an upgrade."""
    monkeypatch.setitem(upgrade_checks.TESTED, "sqlite", (99,))

    code, told = check(tmp_path, capsys)

    assert code == 2
    assert "older than 99" in told["Database engine"]


def test_open_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A state directory others may read is a warning."""
    tmp_path.chmod(0o755)

    code = status.run(["upgrade-check", "--state-dir", str(tmp_path)])

    assert code == 1
    assert "chmod 700" in capsys.readouterr().out


def test_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state directory the cloud cannot write stops an upgrade."""
    # root, as whom the tests may run, may write everywhere
    monkeypatch.setattr(upgrade_checks.os, "access", lambda path, mode: False)

    code, told = check(tmp_path, capsys)

    assert code == 2
    assert "cannot be written" in told["Folders"]


def test_separate_processes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The files of separate processes are looked at, on the engine they name."""
    file = tmp_path / "a.conf"
    (tmp_path / "db").mkdir()
    with engines.POOL.url(tmp_path / "db") as url:
        (tmp_path / "state").mkdir(mode=0o700)
        file.write_text(
            f"[cloud]\nstate_dir = {tmp_path / 'state'}\n[database]\nconnection = {url}\n"
        )

        code = status.run(["upgrade-check", "--config-file", str(file), "--json"])

    told = {each["check"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    # the tests' database is made from the tables, without a revision
    assert code == told.pop("Database schema")["result"] == 1
    assert [each for each in told.values() if each["result"]] == []
    assert told["Database engine"]["details"].split()[0] in ("sqlite", "postgresql", "mariadb")


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is one line, and the exit code that stops."""
    code = status.run(["upgrade-check", "--config-file", str(tmp_path / "none")])

    assert code == 2
    assert "--config-file" in capsys.readouterr().err

"""Import of an IoTronic database: what comes, what is told, and that it comes once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.cmd import core, db
from iotronic_mec.cmd.importing.report import CHANGED, IMPORTED, NOT_IMPORTED, PRESENT, REFUSED
from iotronic_mec.db import dump, migrate
from iotronic_mec.db.engine import open_database, sqlite_url
from iotronic_mec.features.board import store as board_store
from iotronic_mec.features.enrolment_code import store as code_store
from iotronic_mec.features.plugin import store as plugin_store
from iotronic_mec.features.request import store as request_store
from iotronic_mec.operation import FAILED, LOST, SUCCEEDED
from tests.fakes import upstream_database as theirs
from tests.fakes.upstream_database import uuid


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    """Give a state directory with an empty database."""
    folder = tmp_path / "cloud"
    folder.mkdir()
    migrate.upgrade(core.database_url(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Give the URL of IoTronic's database."""
    url = sqlite_url(tmp_path / "iotronic-upstream.sqlite")
    theirs.make(url)
    return url


def imported(cloud: Path, source: str, *more: str) -> tuple[int, dict[str, Any]]:
    """Run the command; return its exit code and its report."""
    number = len(list(cloud.parent.glob("report-*")))
    file = cloud.parent / f"report-{number}"
    arguments = ["import-iotronic", source, "--state-dir", str(cloud), "--report", str(file)]
    code = db.run([*arguments, *more])
    return code, json.loads(file.read_text(encoding="utf-8"))


def outcomes(report: dict[str, Any], table: str) -> dict[str, str]:
    """Return what became of the rows of a table, the last word on each."""
    return {row["row"]: row["outcome"] for row in report["rows"] if row["table"] == table}


def rows(cloud: Path) -> dict[str, list[bytes]]:
    """Return all our rows."""
    with dump.snapshot(core.database_url(cloud)) as connection:
        return {table.name: list(dump.iter_lines(connection, table)) for table in dump.tables()}


def test_dry_run(cloud: Path, source: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --apply nothing is written, and the same is told as with it."""
    before = rows(cloud)

    _, dry = imported(cloud, source)

    assert rows(cloud) == before
    assert dry["dry_run"] is True
    assert "nothing was written" in capsys.readouterr().out
    _, wet = imported(cloud, source, "--apply")
    assert dry["counts"] == wet["counts"]


def test_what_comes(cloud: Path, source: str) -> None:
    """Each row comes, comes with a change that is told, or is refused with the reason."""
    code, report = imported(cloud, source, "--apply")

    assert code == 1
    assert outcomes(report, "fleets") == {uuid(1): IMPORTED, uuid(2): REFUSED}
    assert outcomes(report, "boards") == {
        uuid(10): IMPORTED,
        uuid(11): CHANGED,
        uuid(12): IMPORTED,
        uuid(13): CHANGED,
        uuid(14): REFUSED,
        "no-uuid": REFUSED,
        uuid(15): REFUSED,
        "8": REFUSED,
        uuid(17): REFUSED,
    }
    assert outcomes(report, "plugins") == {
        uuid(20): IMPORTED,
        uuid(21): IMPORTED,
        uuid(22): REFUSED,
        uuid(23): REFUSED,
    }
    assert [row["outcome"] for row in report["rows"] if row["table"] == "injection_plugins"] == [
        IMPORTED,
        PRESENT,
        REFUSED,
    ]
    assert outcomes(report, "services") == {
        uuid(30): IMPORTED,
        uuid(31): REFUSED,
        uuid(32): IMPORTED,
        uuid(33): REFUSED,
        uuid(34): REFUSED,
        uuid(35): IMPORTED,
    }
    assert all(row["text"] for row in report["rows"] if row["outcome"] in (CHANGED, REFUSED))


def words(report: dict[str, Any], table: str) -> list[str]:
    """Return what became of a table's rows, in their order."""
    return [row["outcome"] for row in report["rows"] if row["table"] == table]


def test_what_is_reached_comes(cloud: Path, source: str) -> None:
    """Names, ports and addresses: never two of one, none of another project's, none odd."""
    _, report = imported(cloud, source, "--apply")

    enabled = [IMPORTED, CHANGED, REFUSED, PRESENT, *[REFUSED] * 4]
    assert words(report, "enabled_webservices") == enabled
    assert outcomes(report, "webservices") == {
        uuid(50): IMPORTED,
        uuid(51): REFUSED,
        uuid(52): CHANGED,
        uuid(53): REFUSED,
        uuid(54): REFUSED,
        uuid(55): REFUSED,
        "no-uuid": REFUSED,
        uuid(56): REFUSED,
    }
    exposed = [IMPORTED, PRESENT, CHANGED, REFUSED, PRESENT, CHANGED, REFUSED, REFUSED, CHANGED]
    assert words(report, "exposed_services") == [*exposed, *[REFUSED] * 3]
    assert words(report, "ports_on_boards") == [IMPORTED, PRESENT, CHANGED, *[REFUSED] * 5]
    assert any("leads nowhere" in note or "lead nowhere" in note for note in notes(report))


def notes(report: dict[str, Any]) -> list[str]:
    """Return what is said of whole tables."""
    return [str(note) for note in report["notes"].values()]


def test_history_comes(cloud: Path, source: str) -> None:
    """All of it has ended, in its board's project; what is too old stays behind."""
    _, report = imported(cloud, source, "--apply")

    assert outcomes(report, "requests") == {
        **{uuid(number): IMPORTED for number in (40, 41, 42, 43, 44, 47, 49, 84)},
        **{uuid(number): REFUSED for number in (45, 48, 81, 82, 83)},
        **{uuid(number): CHANGED for number in (80, 85)},
        uuid(46): NOT_IMPORTED,
    }
    assert words(report, "results") == [
        *[IMPORTED] * 4,
        REFUSED,
        NOT_IMPORTED,
        REFUSED,
        IMPORTED,
        *[REFUSED] * 3,
    ]
    database = open_database(core.database_url(cloud), writes=False)
    with database.read() as connection:
        board = board_store.get_board(connection, "", uuid(10), every=True)
        orders = {
            number: request_store.get_request(connection, None, uuid(number))
            for number in (40, 41, 42, 43, 49, 84)
        }
        [echo] = request_store.list_results(connection, uuid(40))
        parts = request_store.list_results(connection, uuid(42))
        open_ones = request_store.list_open(connection)
    database.close()
    states = {number: order.state for number, order in orders.items()}
    assert states == {
        # one of its two results has no word we know
        40: LOST,
        41: LOST,
        42: FAILED,
        43: SUCCEEDED,
        49: SUCCEEDED,
        84: LOST,
    }
    assert (echo.board, echo.message) == (uuid(10), "pong \u00e9\U0001f600")
    assert {part.state for part in parts} == {SUCCEEDED, FAILED}
    assert orders[43].main_request == uuid(42)
    assert orders[84].project == board.project
    assert all(order.cause for order in orders.values() if order.state != SUCCEEDED)
    assert open_ones == []


def test_as_it_was(cloud: Path, source: str) -> None:
    """Values survive: names, places, times, programs letter by letter, codes for enrolment."""
    imported(cloud, source, "--apply")

    database = open_database(core.database_url(cloud), writes=False)
    with database.read() as connection:
        board = board_store.get_board(connection, "", uuid(10), every=True)
        second = board_store.get_board(connection, "", uuid(11), every=True)
        plugin = plugin_store.find_plugin(connection, uuid(20))
        code = code_store.find_of_board(connection, uuid(10))
    database.close()
    assert (board.name, board.type, board.mobile, board.fleet) == (
        "porch",
        "gateway",
        True,
        uuid(1),
    )
    assert (board.status, board.extra) == ("registered", {"room": "é"})
    assert board.project == "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
    assert board.created_at.isoformat() == "2020-02-03T04:05:06+00:00"
    assert board.location[0].longitude == "15.5"
    assert second.name == "porch-00000000"
    assert code is not None and not code.used
    assert plugin is not None
    stored = cloud / "blobs" / plugin.digest[:2] / plugin.digest
    assert stored.read_text(encoding="utf-8") == "def main():\n    return 'é \\\\ x'\n"
    assert plugin.parameters == {"name": ""}


def test_once(cloud: Path, source: str) -> None:
    """A second import changes nothing but the audit."""
    imported(cloud, source, "--apply")
    before = rows(cloud)

    _, report = imported(cloud, source, "--apply")

    after = rows(cloud)
    assert len(after.pop("audit")) == len(before.pop("audit")) + 1
    assert after == before
    assert outcomes(report, "boards")[uuid(10)] == PRESENT


def test_whose(cloud: Path, source: str) -> None:
    """A user's project can be told, and then the plugin comes."""
    code, report = imported(cloud, source, "--apply", "--user-project", f"nobody={theirs.PROJECT}")

    assert code == 1
    assert outcomes(report, "plugins")[uuid(23)] == IMPORTED


def test_another_database(cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A database that is not IoTronic's is refused."""
    url = core.database_url(cloud)

    code = db.run(["import-iotronic", url, "--state-dir", str(cloud)])

    assert code == 1
    assert "no database of IoTronic" in capsys.readouterr().err


def test_no_such_file(cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt file is named, and not made."""
    file = tmp_path / "misspelt.sqlite"

    code = db.run(["import-iotronic", sqlite_url(file), "--state-dir", str(cloud)])

    assert code == 1
    assert f"there is no file {file}" in capsys.readouterr().err
    assert not file.exists()

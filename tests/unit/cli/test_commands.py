"""Each command, run against a fake cloud."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from iotronic_mec.sdk.errors import CannotConnect
from tests.fakes.http_cloud import ORDER, HttpCloud, item
from tests.fakes.http_rim import REQUEST_ID
from tests.unit.cli.conftest import Iot


def inject(cloud: HttpCloud) -> None:
    """Have the plugin *digits* on the board *kitchen*."""
    plugin = cloud.find("plugins", "digits")["uuid"]
    cloud.injected[plugin] = {"plugin": plugin, "status": "injected", "onboot": False}


def test_board_list_is_a_table(iot: Iot) -> None:
    """People get a table."""
    found = iot("board", "list")

    assert found.code == 0
    assert "| kitchen | online |" in found.out
    assert found.err == ""


def test_board_list_is_json(iot: Iot) -> None:
    """Programs get JSON, with objects as objects."""
    [row] = iot("board", "list", "-f", "json").json

    assert row["labels"] == {"room": "1"}
    assert row["type"] is None


def test_boards_near_a_place(iot: Iot, cloud: HttpCloud) -> None:
    """The circle goes to the cloud as it is, also south of the equator."""
    iot("board", "list", "--near=-33.9,18.4,1000")

    assert cloud.last.query["near"] == "-33.9,18.4,1000"


def test_board_create_shows_the_code_once(iot: Iot, cloud: HttpCloud) -> None:
    """Only create shows code and address."""
    made = iot(
        "board", "create", "hall", "--label", "floor=2", "--location=-38.2,15.5", "-f", "json"
    ).json
    shown = iot("board", "show", "hall", "-f", "json").json

    assert (made["code"], made["enrol_url"]) == ("A-FRESH-CODE", "ws://127.0.0.1:8443/ws")
    assert "code" not in shown
    assert shown["labels"] == {"floor": "2"}
    assert shown["location"] == [{"latitude": "-38.2", "longitude": "15.5", "altitude": "0"}]


def test_board_set_keeps_other_labels(iot: Iot, cloud: HttpCloud) -> None:
    """Labels are changed one by one."""
    cloud.find("boards", "kitchen")["labels"] = {"room": "1", "old": "x"}

    shown = iot(
        "board", "set", "kitchen", "--label", "new=y", "--unset-label", "old", "-f", "json"
    ).json

    assert shown["labels"] == {"room": "1", "new": "y"}
    assert cloud.last.body == {"labels": {"room": "1", "new": "y"}}


def test_board_delete_goes_on_after_an_error(iot: Iot, cloud: HttpCloud) -> None:
    """One wrong name does not save the others, and is told."""
    found = iot("board", "delete", "cellar", "kitchen")

    assert found.code == 1
    assert "board cellar could not be found" in found.err
    assert cloud.collections["boards"] == {}


def test_board_echo_shows_the_answer(iot: Iot) -> None:
    """The board's word is the answer."""
    shown = iot("board", "echo", "kitchen", "hello", "-f", "json").json

    assert shown["answer"].startswith("hello @ ")
    assert shown["request"] == ORDER


def test_board_explain_lists_reasons_with_cures(iot: Iot, cloud: HttpCloud) -> None:
    """Each reason comes with what to do."""
    cloud.find("boards", "kitchen")["status"] = "registered"

    [row] = iot("board", "explain", "kitchen", "-f", "json").json

    assert row["code"] == "never_enrolled"
    assert "lightning-agent enrol" in row["cure"]


def test_board_explain_says_that_all_is_well(iot: Iot) -> None:
    """No reason is told in words."""
    found = iot("board", "explain", "kitchen")

    assert "kitchen is online and has all it should have" in found.err


def test_enrolment_code_create(iot: Iot) -> None:
    """A new code is shown with its address."""
    shown = iot("board", "enrolment-code", "create", "kitchen", "-f", "json").json

    assert shown["code"] == "ANOTHER-CODE"


def test_plugin_create_from_source(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """A .py file travels as text, with its parameters."""
    file = tmp_path / "p.py"
    file.write_text("def main(context): return 1\n")
    (tmp_path / "params.json").write_text('{"n": 1}')

    found = iot("plugin", "create", "p", str(file), "--callable", "--params", "@params.json")

    assert found.code == 0
    assert cloud.last.body["code"].startswith("def main")
    assert cloud.last.body["callable"] is True
    assert cloud.last.body["parameters"] == {"n": 1}


def test_plugin_create_from_an_archive(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """A .zip file travels as a file."""
    file = tmp_path / "p.zip"
    file.write_bytes(b"PK\x03\x04")

    found = iot("plugin", "create", "p", str(file))

    assert found.code == 0
    assert cloud.last.body["bundle"] == b"PK\x03\x04"


@pytest.mark.parametrize("file", ["absent.py", "picture.png"])
def test_plugin_create_with_a_wrong_file(iot: Iot, cloud: HttpCloud, file: str) -> None:
    """A file that is missing or of another kind is wrong usage; nothing is sent."""
    found = iot("plugin", "create", "p", file)

    assert found.code == 2
    assert file in found.err
    assert cloud.calls == []


def test_plugin_save_does_not_write_over(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """The bundle gets its own name; a file there is stays unless forced."""
    first = iot("plugin", "save", "digits")
    (tmp_path / "digits.py").write_text("mine")

    second = iot("plugin", "save", "digits")
    third = iot("plugin", "save", "digits", "--force")

    assert (first.code, second.code, third.code) == (0, 2, 0)
    assert "--force" in second.err
    assert (tmp_path / "digits.py").read_bytes() == cloud.bundle
    assert [each.name for each in tmp_path.iterdir()] == ["digits.py"]


def test_plugin_call_waits_and_shows_the_result(iot: Iot, cloud: HttpCloud) -> None:
    """A call waits with progress on the standard error and shows the result as JSON."""
    inject(cloud)

    found = iot(
        "plugin", "call", "kitchen", "digits", "--params", '{"n": 1, "m": 2}', "--param", "n=3",
        "--param", "who=me", "-f", "json",
    )  # fmt: skip

    ordered = next(call for call in cloud.calls if call.method == "POST")
    assert ordered.body["parameters"] == {"n": 3, "m": 2, "who": "me"}
    assert ordered.body["wait"] is False
    assert found.json == {"request": ORDER, "state": "succeeded", "answer": {"label": 7}}
    assert "call digits on kitchen: running after" in found.err


def test_no_wait_shows_the_request(iot: Iot, cloud: HttpCloud) -> None:
    """Without waiting the request is shown, and nothing asked for."""
    inject(cloud)

    found = iot("plugin", "start", "kitchen", "digits", "--no-wait", "-f", "json")

    assert found.json == {"request": ORDER, "state": "queued", "answer": None}
    assert len(cloud.calls) == 1


def test_quiet_has_no_progress(iot: Iot, cloud: HttpCloud) -> None:
    """``-q`` says nothing about progress."""
    inject(cloud)

    assert iot("-q", "plugin", "call", "kitchen", "digits").err == ""


def test_time_out_of_waiting_has_its_own_exit_code(iot: Iot, cloud: HttpCloud) -> None:
    """When the time is over the exit code is 3, and how to go on is told."""
    inject(cloud)
    cloud.states = ["running"]

    found = iot("plugin", "call", "kitchen", "digits", "--timeout", "0.1")

    assert found.code == 3
    assert f"iot request wait {ORDER}" in found.err


def test_request_wait_goes_on(iot: Iot, cloud: HttpCloud) -> None:
    """A request left behind can be waited for."""
    cloud.states = ["running", "succeeded"]

    found = iot("request", "wait", ORDER, "-f", "json")

    assert found.json["state"] == "succeeded"


def test_plugins_own_error_shows_its_traceback(iot: Iot, cloud: HttpCloud) -> None:
    """A tenant sees the tenant's own frames, message and cause."""
    inject(cloud)
    cloud.states = ["failed"]
    cloud.cause = {
        "code": "plugin_failed",
        "message": "ValueError: boom",
        "traceback": "Traceback (most recent call last):\n  File plugin.py, line 2\n",
    }

    found = iot("plugin", "call", "kitchen", "digits")

    assert found.code == 1
    assert "File plugin.py, line 2" in found.err
    assert "error: ValueError: boom" in found.err
    assert "iot.operation.failed (plugin_failed)" in found.err
    assert "iot plugin logs" in found.err


@pytest.mark.parametrize(
    ("verb", "answer"),
    [("stop", "STOPPED"), ("reboot", {"label": 7}), ("remove", "REMOVED"), ("status", "ALIVE")],
)
def test_other_orders(iot: Iot, cloud: HttpCloud, verb: str, answer: object) -> None:
    """Each order shows the board's answer."""
    inject(cloud)

    assert iot("plugin", verb, "kitchen", "digits", "-f", "json").json["answer"] == answer


def test_inject_and_list(iot: Iot) -> None:
    """What was injected is listed."""
    iot("plugin", "inject", "kitchen", "digits", "--onboot")

    [row] = iot("board", "plugin", "list", "kitchen", "-f", "json").json

    assert (row["status"], row["onboot"]) == ("injected", True)


def test_logs_are_lines(iot: Iot, cloud: HttpCloud) -> None:
    """``-f value -c text`` gives the plain lines."""
    inject(cloud)

    found = iot("plugin", "logs", "kitchen", "digits", "-f", "value", "-c", "text")

    assert found.out == "hello\n"


def log_part(*texts: str, first: int, **more: object) -> dict[str, object]:
    """Return what the cloud says of a log."""
    lines = [
        {"n": first + at, "time": f"t{first + at}", "stream": "log", "text": text}
        for at, text in enumerate(texts)
    ]
    return {"lines": lines, "after": first + len(texts) - 1, **more}


def test_logs_are_followed(iot: Iot, cloud: HttpCloud) -> None:
    """Lines are printed as they come, none twice, until there is nothing to follow."""
    inject(cloud)
    cloud.log_parts = [
        log_part("a", "b \x1b[31m", first=1),
        log_part("c", first=5, missed=2),
    ]

    found = iot("plugin", "logs", "kitchen", "digits", "--follow", "--lines", "7")

    asked = [call.query for call in cloud.calls if call.path.endswith("/logs")]
    assert found.out == "t1 log: a\nt2 log: b \\x1b[31m\nt5 log: c\n"
    assert "2 lines are not kept any more" in found.err
    assert asked == [
        {"lines": "7"},
        {"after": "2", "lines": "1000"},
        {"after": "5", "lines": "1000"},
    ]
    assert found.code == 1  # the plugin was taken off the board


def test_followed_logs_are_json_lines(iot: Iot, cloud: HttpCloud) -> None:
    """Programs read one object a line."""
    inject(cloud)
    cloud.log_parts = [log_part("a", "b", first=1)]

    found = iot("plugin", "logs", "kitchen", "digits", "--follow", "-f", "json")

    assert [json.loads(line) for line in found.out.splitlines()] == [
        {"time": "t1", "stream": "log", "text": "a"},
        {"time": "t2", "stream": "log", "text": "b"},
    ]


def test_following_ends_with_an_interrupt(iot: Iot, cloud: HttpCloud) -> None:
    """Ctrl-C is how it ends: no error."""
    inject(cloud)
    cloud.log_parts = [log_part("a", first=1), *[{"lines": [], "after": 1}] * 50]

    def interrupt() -> None:
        while not any(call.query.get("after") for call in cloud.calls):
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    presser = threading.Thread(target=interrupt, daemon=True)
    presser.start()
    found = iot("plugin", "logs", "kitchen", "digits", "--follow")
    presser.join(5)

    assert (found.code, found.out) == (0, "t1 log: a\n")


def test_request_show_has_results(iot: Iot, cloud: HttpCloud) -> None:
    """A request is shown with what the boards made of it."""
    shown = iot("request", "show", ORDER, "-f", "json").json

    assert shown["results"][0]["board"] == cloud.find("boards", "kitchen")["uuid"]


def test_audit_verify_finds_a_changed_row(iot: Iot, cloud: HttpCloud) -> None:
    """A broken chain is told row by row, with exit code 1."""
    cloud.audit[1]["outcome"] = "denied"

    found = iot("audit", "verify", "-f", "json")

    assert found.code == 1
    assert found.json["verdict"] == "broken"
    assert found.json["findings"] == [{"kind": "changed", "text": "row 2 was changed"}]


def test_audit_verify_against_a_kept_head(iot: Iot, cloud: HttpCloud) -> None:
    """The head of one check shows a cut end in the next."""
    head = iot("audit", "verify", "-f", "json").json["head"]
    del cloud.audit[-1]

    found = iot("audit", "verify", "--head", head, "-f", "json")

    assert found.code == 1
    assert found.json["findings"] == [{"kind": "removed", "text": "missing: row 4"}]


def test_audit_export_and_verify(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """Segments are listed, written into a folder once, and checked from there."""
    cloud.seal(1)
    cloud.seal(2)

    listed = iot("audit", "segments", "-f", "json").json
    first = iot("audit", "export", str(tmp_path), "-f", "json").json
    second = iot("audit", "export", str(tmp_path), "-f", "json").json
    cloud.segment_files.clear()
    verified = iot("audit", "verify", "--segments", str(tmp_path), "-f", "json").json

    assert [(row["first"], row["last"]) for row in listed] == [(1, 1), (2, 3)]
    assert (first["written"], first["kept"]) == (2, 0)
    assert (second["written"], second["kept"]) == (0, 2)
    assert (verified["verdict"], verified["rows"]) == ("whole", 4)


def test_a_changed_export_is_found(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """A file that was changed since the export is told, and is not written over."""
    cloud.seal(3)
    iot("audit", "export", str(tmp_path))
    [path] = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-1])

    found = iot("audit", "verify", "--segments", str(tmp_path), "-f", "json")
    again = iot("audit", "export", str(tmp_path))

    assert (found.code, found.json["verdict"]) == (1, "broken")
    assert found.json["findings"][0]["text"] == "the file of rows 1 to 3 was changed"
    assert again.code == 2
    assert "move it away" in again.err


def test_audit_list_newest_first(iot: Iot) -> None:
    """The newest rows can come first."""
    rows = iot("audit", "list", "--newest-first", "--limit", "2", "-f", "json").json

    assert [row["sequence"] for row in rows] == [4, 3]


def test_user_create_reads_the_password(
    iot: Iot, cloud: HttpCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password comes from a file or the standard input, never from the command line."""
    given = io.TextIOWrapper(io.BytesIO(b"a password\n"))
    monkeypatch.setattr(sys, "stdin", given)

    found = iot("user", "create", "ann", "--project", "p", "--password-file", "-")

    assert found.code == 0
    assert cloud.last.body["password"] == "a password"
    assert cloud.last.body["roles"] == ["member"]


def test_user_create_without_a_password(
    iot: Iot, cloud: HttpCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal the password must come from somewhere."""
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    found = iot("user", "create", "ann", "--project", "p")

    assert found.code == 2
    assert "--password-file" in found.err


def test_user_set_sends_what_was_given(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """Only what is named is changed."""
    (tmp_path / "new").write_text("a new password\n")

    found = iot("user", "set", "admin", "--no-enabled", "--password-file", "new")

    assert found.code == 0
    assert cloud.last.body == {"enabled": False, "password": "a new password"}


def test_own_password_needs_the_old_one(iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """The caller's own user is changed, with the present password as proof."""
    (tmp_path / "old").write_text("old one")
    (tmp_path / "new").write_text("new one")

    iot("user", "password", "set", "--old-password-file", "old", "--password-file", "new")

    assert cloud.last.path == f"/v1/users/{cloud.find('users', 'admin')['uuid']}"
    assert cloud.last.body == {"old_password": "old one", "password": "new one"}


def test_token_create_shows_the_secret_once(iot: Iot, cloud: HttpCloud) -> None:
    """A token's secret is shown by create and never again."""
    made = iot("token", "create", "ci", "--expires-in", "1", "-f", "json").json
    [row] = iot("token", "list", "-f", "json").json

    assert made["secret"] == "shown-once"
    assert "secret" not in row
    assert made["expires_at"] is not None


def test_lists_of_users_and_projects(iot: Iot, cloud: HttpCloud) -> None:
    """Users and projects are made, listed and deleted."""
    iot("project", "create", "q", "--description", "the second")
    projects = iot("project", "list", "-f", "json").json
    deleted = iot("project", "delete", "q")
    users = iot("user", "list", "-f", "json").json

    assert [row["name"] for row in projects] == ["p", "q"]
    assert deleted.code == 0
    assert users[0]["roles"] == ["admin"]


def test_status_tells_that_all_is_reachable(iot: Iot, cloud: HttpCloud) -> None:
    """One command says whether address and credentials are right."""
    shown = iot("status", "-f", "json").json

    assert shown["endpoint"] == cloud.url
    assert shown["api_maximum"] == "1.10"
    assert (shown["user"], shown["roles"]) == ("admin", ["admin"])


def test_limit_bounds_a_list(iot: Iot, cloud: HttpCloud) -> None:
    """``--limit`` is a bound over all pages."""
    cloud.collections["boards"] = {f"b{n}": item(f"b{n}") for n in range(5)}
    cloud.page = 2

    assert len(iot("board", "list", "--limit", "3", "-f", "json").json) == 3


def test_errors_have_code_cure_and_request_id(iot: Iot, cloud: HttpCloud) -> None:
    """An error says what is wrong, its code, what to do, and the id for the log."""
    cloud.find("boards", "kitchen")["status"] = "offline"

    found = iot("board", "ping", "kitchen")

    assert found.code == 1
    assert found.out == ""
    assert found.err.splitlines() == [
        "error: board kitchen is offline",
        "  code: iot.board.offline",
        "  cure: 'iot board explain BOARD' says why it is not online",
        f"  request id: {REQUEST_ID}",
    ]


def test_debug_shows_the_traceback(iot: Iot) -> None:
    """Only ``--debug`` shows where an error came from."""
    plain = iot("board", "show", "cellar")
    debug = iot("--debug", "board", "show", "cellar")

    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err


def test_debug_does_not_show_secrets(iot: Iot, cloud: HttpCloud) -> None:
    """Neither tokens nor codes nor new secrets are logged."""
    found = iot("--debug", "token", "create", "ci", "-f", "value", "-c", "name")
    board = iot("--debug", "board", "create", "hall", "-f", "value", "-c", "name")

    assert "shown-once" not in found.err
    assert cloud.token not in found.err
    assert "A-FRESH-CODE" not in board.err


def test_unreachable_cloud_is_told_with_a_cure(iot: Iot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud that is not there is one clear sentence."""

    def refuse(*args: object) -> None:
        raise CannotConnect("connection refused")

    monkeypatch.setattr("iotronic_mec.sdk.transport.Transport.send", refuse)

    found = iot("board", "list")

    assert found.code == 1
    assert "iotronic-mec standalone" in found.err


@pytest.mark.parametrize(
    "words",
    [
        ("board", "create"),
        ("board", "create", "x", "--label", "no-sign"),
        ("board", "create", "x", "--location", "here"),
        ("plugin", "call", "b", "p", "--params", "[1]"),
        ("plugin", "call", "b", "p", "--timeout", "0"),
        ("board", "list", "--limit", "0"),
        ("audit", "verify", "--head", "3"),
        ("audit", "verify", "--after", "3"),
        ("audit", "verify", "--segments", "/nowhere"),
    ],
)
def test_wrong_usage_ends_with_2(iot: Iot, cloud: HttpCloud, words: tuple[str, ...]) -> None:
    """What is wrong on the command line is told before anything is sent."""
    with pytest.raises(SystemExit) as ended:
        iot(*words)

    assert ended.value.code == 2
    assert cloud.calls == []


def test_names_that_cannot_be_are_not_sent(iot: Iot, cloud: HttpCloud) -> None:
    """A name with a slash is refused here."""
    found = iot("board", "show", "../tokens")

    assert found.code == 2
    assert cloud.calls == []


def test_unknown_command_ends_with_2(iot: Iot) -> None:
    """A command that is none gives a hint."""
    found = iot("boar", "x")

    assert found.code == 2
    assert "board list" in found.out

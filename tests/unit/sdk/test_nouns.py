"""The nouns of the client: what is sent, what is read."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from iotronic_mec.sdk import Client, Head, LogLine, NewBoard, NewPlugin, Reason, Target, errors
from tests.fakes.http_cloud import HttpCloud, Refusal, audit_chain, item
from tests.fakes.http_rim import Reply
from tests.fakes.passing_time import PassingTime

KITCHEN = Target(board="kitchen", plugin="digits")


def test_board_is_read_with_times_and_without_unknown_fields(client: Client) -> None:
    """Known fields are typed; what is not known is left out."""
    board = client.boards.get("kitchen")

    assert board.status == "online"
    assert board.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert not hasattr(board, "links")


def test_created_board_has_its_code_once(client: Client, cloud: HttpCloud) -> None:
    """Only what was given is sent; the answer holds code and address."""
    board = client.boards.create(NewBoard(name="hall", labels={"floor": "2"}))

    assert cloud.last.body == {"name": "hall", "labels": {"floor": "2"}}
    assert (board.code, board.enrol_url) == ("A-FRESH-CODE", "ws://127.0.0.1:8443/ws")
    assert client.boards.get("hall").code is None


def test_lists_follow_pages(client: Client, cloud: HttpCloud) -> None:
    """All pages are fetched, from the endpoint and not from where 'next' points."""
    cloud.collections["boards"] = {f"b{n}": item(f"b{n}") for n in range(5)}
    cloud.page = 2

    names = [board.name for board in client.boards.iterate(status="online")]

    assert names == ["b0", "b1", "b2", "b3", "b4"]
    assert len(cloud.calls) == 3
    assert cloud.last.query["status"] == "online"


def test_lists_stop_at_the_limit(client: Client, cloud: HttpCloud) -> None:
    """No page more is fetched than is needed."""
    cloud.collections["boards"] = {f"b{n}": item(f"b{n}") for n in range(5)}

    boards = list(client.boards.iterate(limit=3))

    assert len(boards) == 3
    assert len(cloud.calls) == 1


def test_page_that_leads_to_itself_ends(
    client: Client, cloud: HttpCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cloud that pages in a circle is told, not followed for ever."""
    page = {"boards": [item("b")], "next": "/v1/boards/detail?limit=1&marker=x"}
    monkeypatch.setattr(cloud, "on_list", lambda seen, noun: Reply(body=page))

    with pytest.raises(errors.UnexpectedAnswer):
        list(client.boards.iterate())


def test_echo_answers_text_and_request(client: Client) -> None:
    """An action's answer is the board's word and the order's uuid."""
    answer = client.boards.echo("kitchen", "hello")

    assert answer.done
    assert answer.text.startswith("hello @ ")
    assert answer.request is not None


def test_offline_board_is_a_bad_request(client: Client, cloud: HttpCloud) -> None:
    """A board without a session is told by its code."""
    cloud.collections["boards"]["kitchen"]["status"] = "offline"

    with pytest.raises(errors.BadRequest) as caught:
        client.boards.ping("kitchen")

    assert caught.value.code == "iot.board.offline"


def test_explanation_has_reasons_with_cures(client: Client, cloud: HttpCloud) -> None:
    """Each reason is told with what to do."""
    cloud.collections["boards"]["kitchen"]["status"] = "registered"

    found = client.boards.explain("kitchen")

    assert isinstance(found.reasons[0], Reason)
    assert "lightning-agent enrol" in found.reasons[0].cure


def test_small_source_travels_as_json(client: Client, cloud: HttpCloud) -> None:
    """A small .py file is sent as text."""
    client.plugins.create(NewPlugin(name="p", filename="p.py", content=b"x = 1\n", callable=True))

    assert cloud.last.body["code"] == "x = 1\n"
    assert cloud.last.body["callable"] is True


@pytest.mark.parametrize(
    ("filename", "content"),
    [("p.zip", b"PK\x03\x04"), ("p.py", b"#" * 70_000), ("p.py", b"# \xff\n")],
    ids=["archive", "large", "not-utf-8"],
)
def test_archives_and_large_source_travel_as_files(
    client: Client, cloud: HttpCloud, filename: str, content: bytes
) -> None:
    """What is no small text is sent as multipart."""
    client.plugins.create(
        NewPlugin(name="p", filename=filename, content=content, parameters={"a": 1})
    )

    body = cloud.last.body
    assert body["bundle"] == content
    assert body["name"] == "p"
    assert json.loads(body["parameters"]) == {"a": 1}
    assert cloud.last.headers["Content-Type"].startswith("multipart/form-data")


def test_bundle_is_saved_under_the_clouds_name(client: Client, cloud: HttpCloud) -> None:
    """The bundle's bytes come back as they were."""
    target = io.BytesIO()

    name = client.plugins.save("digits", target)

    assert target.getvalue() == cloud.bundle
    assert name == "digits.py"


def test_life_of_an_injection(client: Client, cloud: HttpCloud) -> None:
    """Inject, list, call, ask, remove."""
    client.injections.inject(KITCHEN, onboot=True)

    [row] = client.injections.on_board("kitchen")
    called = client.injections.call(KITCHEN, {"n": 1})
    alive = client.injections.status(KITCHEN)
    client.injections.remove(KITCHEN)

    assert (row.status, row.onboot) == ("injected", True)
    assert called.value == {"label": 7}
    assert alive == "ALIVE"
    assert client.injections.on_board("kitchen") == []


def test_logs_are_lines(client: Client) -> None:
    """A plugin's log is read line by line."""
    client.injections.inject(KITCHEN)

    logs = client.injections.logs(KITCHEN, lines=10)

    assert logs.lines == (
        LogLine(time="2026-01-01T00:00:00+00:00", stream="stdout", text="hello"),
    )


def test_a_log_is_followed(client: Client, cloud: HttpCloud, time: PassingTime) -> None:
    """Parts without news are left out and asked for less often; what passes is waited for."""
    client.injections.inject(KITCHEN)
    line = {"n": 1, "time": "t", "stream": "log", "text": "x"}
    quiet = {"lines": [], "after": 1}
    cloud.log_parts = [
        {"lines": [line], "after": 1},
        *[quiet] * 7,
        Refusal(400, "iot.board.offline", "it is offline"),
        Refusal(504, "iot.board.timeout", "no answer"),
        {"lines": [{**line, "n": 2}], "after": 2},
    ]
    told: list[str] = []

    parts = client.injections.follow(KITCHEN, lines=5, away=lambda e: told.append(e.code))
    with pytest.raises(errors.NotFound):
        told.extend(f"{part.after}: {part.lines[0].text}" for part in parts)

    asked = [call.query for call in cloud.calls if call.path.endswith("/logs")]
    assert told == ["1: x", "iot.board.offline", "2: x"]
    assert asked[:2] == [{"lines": "5"}, {"after": "1", "lines": "1000"}]
    assert asked[-1] == {"after": "2", "lines": "1000"}
    assert time.pauses[:3] == pytest.approx([0.25, 0.375, 0.5625])
    assert max(time.pauses[:8]) == 2.0
    assert time.pauses[8:] == [5.0, 5.0, 0.25]


def test_following_what_is_not_there(client: Client, cloud: HttpCloud) -> None:
    """What cannot be reached at first is an error at once, whatever it is."""
    client.injections.inject(KITCHEN)
    cloud.log_parts = [Refusal(400, "iot.board.offline", "it is offline")]

    with pytest.raises(errors.BadRequest):
        next(client.injections.follow(KITCHEN))
    with pytest.raises(errors.NotFound):
        next(client.injections.follow(KITCHEN))


def test_not_waiting_is_asked_for(client: Client, cloud: HttpCloud) -> None:
    """``wait`` false is sent, and the answer is a request."""
    answer = client.injections.inject(KITCHEN, wait=False)

    assert cloud.last.body["wait"] is False
    assert not answer.done
    assert answer.state == "queued"


def test_tokens_show_their_secret_once(client: Client) -> None:
    """The secret is in the answer of create alone."""
    made = client.tokens.create({"name": "ci", "expires_at": None})

    assert made.secret == "shown-once"
    assert client.tokens.get("ci").secret is None


def test_audit_is_verified_here(client: Client) -> None:
    """The chain is checked by the client, over all pages."""
    verdict = client.audit.verify()

    assert verdict.ok
    assert verdict.rows == 4


def test_changed_audit_row_is_found(client: Client, cloud: HttpCloud) -> None:
    """A row the cloud has changed is found."""
    cloud.audit[2]["user"] = "someone else"

    [finding] = client.audit.verify().findings

    assert (finding.kind, finding.first) == ("changed", 3)


def test_sealed_rows_are_verified_here(client: Client, cloud: HttpCloud, tmp_path: Path) -> None:
    """Sealed segments are fetched, or read from a folder, and are a part of the chain."""
    cloud.seal(1)
    cloud.seal(2)

    fetched = client.audit.verify()
    for each in client.audit.segments():
        with (tmp_path / each.sealed().name).open("wb") as file:
            client.audit.save(each, file)
    cloud.segment_files.clear()
    exported = client.audit.verify(folder=tmp_path)
    lost = client.audit.verify()

    assert (fetched.ok, fetched.rows) == (True, 4)
    assert (exported.ok, exported.rows) == (True, 4)
    assert [finding.kind for finding in lost.findings] == ["removed"] * 3


@pytest.mark.parametrize("how", [lambda text: text[:-1], lambda text: text + b"x"])
def test_another_file_is_found(
    client: Client, cloud: HttpCloud, how: Callable[[bytes], bytes]
) -> None:
    """A file that is not the one the cloud lists is a finding, and cannot be saved."""
    cloud.seal(2)
    [name] = cloud.segment_files
    cloud.segment_files[name] = how(cloud.segment_files[name])
    [segment] = client.audit.segments()

    with pytest.raises(errors.UnexpectedAnswer):
        client.audit.save(segment, io.BytesIO())

    assert client.audit.verify().findings[0].text == "the file of rows 1 to 2 was changed"


def test_a_check_goes_on_from_a_head(client: Client, cloud: HttpCloud) -> None:
    """What a former check found whole need not be read again."""
    head = client.audit.verify().head
    assert head is not None
    cloud.audit.extend(audit_chain(6)[4:])
    cloud.seal(3)

    verdict = client.audit.verify(after=head)

    assert (verdict.ok, verdict.rows) == (True, 2)
    assert not client.audit.verify(after=Head(sequence=4, hash="f" * 64)).ok


@pytest.mark.parametrize("body", [[], "text", {"boards": {}}, {}])
def test_strange_lists_are_told(
    client: Client, cloud: HttpCloud, monkeypatch: pytest.MonkeyPatch, body: object
) -> None:
    """An answer that is no list of boards is an error, not an empty list."""
    monkeypatch.setattr(cloud, "on_list", lambda seen, noun: Reply(body=body))

    with pytest.raises(errors.UnexpectedAnswer):
        list(client.boards.iterate())

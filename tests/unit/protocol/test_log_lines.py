"""Log lines: one shape, no line of a stranger's making, no secrets."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
import time
from collections.abc import Iterator

import pytest

from lightning_agent.protocol import log_lines
from lightning_agent.protocol.log_lines import Asking, asked_by, asking, set_asking

ID = "req-11111111-2222-4333-8444-555555555555"
WHO = Asking(ID, "ann", "red")


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """Give a logger of its own that hands nothing on."""
    made = logging.getLogger("test.log_lines")
    made.propagate = False
    made.setLevel(logging.DEBUG)
    yield made
    made.handlers.clear()
    made.propagate = True


def writes_to(logger: logging.Logger, formatter: logging.Formatter) -> io.StringIO:
    """Have a logger write; return what it writes to."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger.addHandler(handler)
    return stream


def fail_with(text: str) -> None:
    """Raise an error with a text."""
    raise ValueError(text)


def test_text_line(logger: logging.Logger) -> None:
    """Time in UTC, level, logger, request id and message, in this order."""
    stream = writes_to(logger, log_lines.TextLines("core"))

    with asked_by(WHO):
        logger.info("board %s: online", "b1")
    logger.warning("nobody asked")

    first, second = stream.getvalue().splitlines()
    moment = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(rf"{moment} INFO test\.log_lines \[{ID}\] board b1: online", first)
    assert re.fullmatch(rf"{moment} WARNING test\.log_lines nobody asked", second)


def test_json_line(logger: logging.Logger) -> None:
    """One object with everything that is known, and nothing empty."""
    stream = writes_to(logger, log_lines.JsonLines("core"))

    with asked_by(WHO):
        logger.info("GET", extra={"fields": {"status": 200}})
    logger.info("nobody asked")

    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first.pop("time").endswith("Z")
    assert isinstance(first.pop("pid"), int)
    assert first == {
        "level": "info",
        "logger": "test.log_lines",
        "process": "core",
        "message": "GET",
        "request_id": ID,
        "user": "ann",
        "project": "red",
        "status": 200,
    }
    assert not {"request_id", "user", "project", "exception"} & set(second)


@pytest.mark.parametrize("bad", ["\n", "\r", "\x1b[2J", "\x85", "\u2028", "\u202e", "\x00"])
@pytest.mark.parametrize("kind", [log_lines.TextLines, log_lines.JsonLines])
def test_no_forged_lines(logger: logging.Logger, kind: type, bad: str) -> None:
    """What a stranger shapes stays inside its line: message, id and error alike."""
    stream = writes_to(logger, kind("core"))
    forged = f"x{bad}2026-01-01T00:00:00.000Z INFO root forged"

    with asked_by(Asking(forged, forged, forged)):
        logger.info("say %s", forged)
        try:
            fail_with(forged)
        except ValueError:
            logger.exception("it broke")

    written = stream.getvalue()
    lines = written.split("\n")[:-1]
    assert bad not in written.replace("\n", "") or kind is log_lines.JsonLines
    if kind is log_lines.JsonLines:
        assert [json.loads(line)["level"] for line in lines] == ["info", "error"]
        assert len(written.splitlines()) == 2
    else:
        begun = [line for line in lines if not line.startswith(" | ")]
        assert len(begun) == 2
        assert all("INFO test.log" in line or "ERROR test.log" in line for line in begun)


@pytest.mark.parametrize(
    "text",
    [
        "rabbit://iot:{}@broker:5672/",
        "{{'Authorization': 'Bearer {}'}}",
        "X-Auth-Token: {}",
        '{{"password": "{}"}}',
        "password={} host=x",
        "HTTP_AUTHORIZATION: Basic {}",
    ],
)
@pytest.mark.parametrize("kind", [log_lines.TextLines, log_lines.JsonLines])
def test_secrets_are_left_out(logger: logging.Logger, kind: type, text: str) -> None:
    """What is named a secret is not written, in messages and tracebacks."""
    stream = writes_to(logger, kind("core"))
    secret = "s3cr3t-value"
    try:
        fail_with(text.format(secret))
    except ValueError:
        logger.exception("failed: %s", text.format(secret))

    assert secret not in stream.getvalue()
    assert log_lines.HIDDEN in stream.getvalue()


def test_our_tokens_are_left_out(logger: logging.Logger) -> None:
    """Tokens of ours and of Keystone are known by their prefix; names are not tokens."""
    stream = writes_to(logger, log_lines.TextLines("core"))

    logger.info("iot_%s gAAAAAB%s the rule iot_reader", "q" * 43, "x" * 60)

    assert "qqq" not in stream.getvalue()
    assert "xxx" not in stream.getvalue()
    assert "the rule iot_reader" in stream.getvalue()


@pytest.mark.parametrize(
    "piece", ["a.", "a", "password ", "token='", 'token="', "iot_-", "x://y:", " ", "basic ", "\n"]
)
def test_no_text_makes_a_line_slow(logger: logging.Logger, piece: str) -> None:
    """Looking for secrets takes a time that grows with the length only."""
    writes_to(logger, log_lines.TextLines("core"))
    text = piece * (log_lines.MAX_CHARACTERS // len(piece))
    began_s = time.process_time()

    logger.info("%s", text)

    assert time.process_time() - began_s < 1.0


def test_a_long_message_is_cut(logger: logging.Logger) -> None:
    """A message longer than the limit costs no more than the limit."""
    stream = writes_to(logger, log_lines.TextLines("core"))

    logger.info("%s", "a" * (10 * log_lines.MAX_CHARACTERS))

    assert len(stream.getvalue()) < log_lines.MAX_CHARACTERS + 200


def test_who_asks_is_of_one_thread() -> None:
    """Another thread has nobody who asked."""
    seen: list[Asking] = []
    set_asking(WHO)
    try:
        thread = threading.Thread(target=lambda: seen.append(asking()))
        thread.start()
        thread.join()
        assert asking() == WHO
    finally:
        set_asking(log_lines.NOBODY)
    assert seen == [log_lines.NOBODY]

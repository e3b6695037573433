"""Waiting for requests."""

from __future__ import annotations

import pytest

from iotronic_mec.sdk import Answer, Client, Request, Target, answer, errors
from tests.fakes.http_cloud import ORDER, HttpCloud
from tests.fakes.passing_time import PassingTime

KITCHEN = Target(board="kitchen", plugin="digits")


@pytest.fixture
def queued(client: Client) -> Answer:
    """Order a call without waiting."""
    client.injections.inject(KITCHEN)
    return client.injections.call(KITCHEN, wait=False)


def test_finish_gives_the_result(client: Client, queued: Answer) -> None:
    """When the order has ended, its result is the answer."""
    found = client.requests.finish(queued)

    assert found.done
    assert found.value == {"label": 7}


def test_progress_is_told(client: Client, queued: Answer) -> None:
    """Each look at the order is handed to the caller."""
    states: list[str | None] = []

    def note(request: Request, waited_s: float) -> None:
        states.append(request.state)

    client.requests.finish(queued, progress=note)

    assert states == ["queued", "running", "succeeded"]


def test_pauses_grow_and_are_bounded(
    client: Client, queued: Answer, cloud: HttpCloud, time: PassingTime
) -> None:
    """A long order is not asked for all the time."""
    cloud.states = ["running"] * 60 + ["succeeded"]

    client.requests.finish(queued)

    assert all(
        pause <= max(0.05, 0.15 * sum(time.pauses[:n])) for n, pause in enumerate(time.pauses)
    )
    assert time.pauses[0] == pytest.approx(0.05)
    assert max(time.pauses) == pytest.approx(2.0)


def test_wait_ends_in_time(
    client: Client, queued: Answer, cloud: HttpCloud, time: PassingTime
) -> None:
    """An order that does not end is left, and named."""
    cloud.states = ["running"]

    with pytest.raises(errors.WaitTimeout) as caught:
        client.requests.finish(queued, timeout_s=5)

    assert time.now == pytest.approx(5)
    assert caught.value.details == {"request": ORDER, "state": "running"}


def test_failure_has_the_cause(client: Client, queued: Answer, cloud: HttpCloud) -> None:
    """A plugin's own error comes with its traceback."""
    cloud.states = ["failed"]
    cloud.cause = {"code": "plugin_failed", "message": "boom", "traceback": "Traceback…"}

    with pytest.raises(errors.OperationFailed) as caught:
        client.requests.finish(queued)

    error = caught.value
    assert (error.message, error.code) == ("boom", "iot.operation.failed")
    assert error.details["cause"]["traceback"] == "Traceback…"
    assert error.details["request"] == ORDER


def test_causes_with_a_code_of_the_cloud_keep_it(
    client: Client, queued: Answer, cloud: HttpCloud
) -> None:
    """A cause that is one of the cloud's own errors keeps its code."""
    cloud.states = ["rejected"]
    cloud.cause = {"code": "iot.board.offline", "message": "not connected"}

    with pytest.raises(errors.OperationFailed) as caught:
        client.requests.finish(queued)

    assert caught.value.code == "iot.board.offline"


def test_answers_that_are_there_are_not_waited_for(client: Client, cloud: HttpCloud) -> None:
    """A finished answer costs no call."""
    done = Answer(request=ORDER, state="succeeded", text="x")

    assert client.requests.finish(done) is done
    assert cloud.calls == []


@pytest.mark.parametrize(
    ("text", "value"),
    [('{"a": 1}', {"a": 1}), ("3", 3), ("plain", "plain"), ("NaN", "NaN"), ("", "")],
)
def test_texts_are_read_as_json_where_they_are(text: str, value: object) -> None:
    """A result is JSON where it can be."""
    assert answer.value_of(text) == value


def test_upstreams_words_do(cloud: HttpCloud) -> None:
    """A cloud without our state tells the end by its status."""
    assert Request(uuid=ORDER, status="COMPLETED").ended
    assert not Request(uuid=ORDER, status="PENDING").ended

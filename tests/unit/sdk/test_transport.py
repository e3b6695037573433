"""One call: credentials, headers, retries, errors."""

from __future__ import annotations

import doctest
import socket

import pytest
import requests
from keystoneauth1 import http_basic, noauth, session

from iotronic_mec.sdk import Client, NewBoard, errors, transport
from iotronic_mec.sdk.transport import Call
from tests.fakes.http_cloud import BASIC, PASSWORD, USER, HttpCloud
from tests.fakes.http_rim import REQUEST_ID
from tests.fakes.passing_time import PassingTime

GET = Call(method="GET", path="/v1/boards")


def test_version_and_token_are_sent(client: Client, cloud: HttpCloud) -> None:
    """Each call names the version of the API and carries the token."""
    client.boards.get("kitchen")

    assert cloud.last.headers["X-OpenStack-Iotronic-API-Version"] == "1.10"
    assert cloud.last.headers["X-Auth-Token"] == cloud.token


def test_http_basic_works(cloud: HttpCloud) -> None:
    """Name and password of a clouds.yaml do as well as a token."""
    client = Client.with_password(cloud.url, USER, PASSWORD)

    found = client.boards.get("kitchen")

    assert found.name == "kitchen"
    assert cloud.last.headers["Authorization"] == BASIC


def test_endpoint_comes_from_the_session(cloud: HttpCloud) -> None:
    """Without an endpoint the authentication plugin is asked, /v1 or not."""
    auth = http_basic.HTTPBasicAuth(f"{cloud.url}/v1/", USER, PASSWORD)
    client = Client(session.Session(auth=auth))

    client.boards.get("kitchen")

    assert client.transport.endpoint == cloud.url
    assert cloud.last.path == "/v1/boards/kitchen"


def test_no_endpoint_is_an_error_of_its_own() -> None:
    """Credentials that name no address are told apart from a dead cloud."""
    client = Client(session.Session(auth=noauth.NoAuth()))

    with pytest.raises(errors.NoEndpoint):
        client.boards.get("kitchen")


def test_post_carries_an_idempotency_key_of_its_own(client: Client, cloud: HttpCloud) -> None:
    """Two calls have two keys."""
    client.boards.create(NewBoard(name="one"))
    client.boards.create(NewBoard(name="two"))

    keys = {call.headers["Idempotency-Key"] for call in cloud.calls}
    assert len(keys) == 2


def test_given_key_is_used(client: Client, cloud: HttpCloud) -> None:
    """A caller's own key is sent as it is."""
    client.boards.create(NewBoard(name="one"), idempotency_key="mine")

    assert cloud.last.headers["Idempotency-Key"] == "mine"


def test_get_carries_no_key(client: Client, cloud: HttpCloud) -> None:
    """What changes nothing needs no key."""
    client.transport.send(GET)

    assert "Idempotency-Key" not in cloud.last.headers


def test_503_is_retried_with_the_same_key(
    client: Client, cloud: HttpCloud, time: PassingTime
) -> None:
    """A passing failure is retried with growing pauses, as the same call."""
    cloud.fail(503, times=2)

    client.boards.create(NewBoard(name="one"))

    assert len({call.headers["Idempotency-Key"] for call in cloud.calls}) == 1
    assert time.pauses == [0.4, 0.8]


def test_broken_link_is_retried(client: Client, cloud: HttpCloud, time: PassingTime) -> None:
    """A link that breaks before the answer is tried again."""
    cloud.drop()

    client.transport.send(GET)

    assert len(cloud.calls) == 2


def test_deletion_whose_answer_was_lost_has_happened(client: Client, cloud: HttpCloud) -> None:
    """The 404 of a second attempt to delete is no error."""
    cloud.drop()

    client.boards.delete("kitchen")

    assert cloud.collections["boards"] == {}
    assert len(cloud.calls) == 2


def test_retries_are_bounded(client: Client, cloud: HttpCloud) -> None:
    """After four attempts the error is told."""
    cloud.fail(503, times=9)

    with pytest.raises(errors.Unavailable):
        client.transport.send(GET)

    assert len(cloud.calls) == 4


def test_retry_after_is_kept(client: Client, cloud: HttpCloud, time: PassingTime) -> None:
    """The cloud may ask for a longer pause."""
    cloud.fail(503, Retry_After="3")

    client.transport.send(GET)

    assert time.pauses == [3.0]


def test_too_many_requests_are_waited_for(
    client: Client, cloud: HttpCloud, time: PassingTime
) -> None:
    """After a 429 the call is repeated when the cloud said."""
    cloud.fail(429, Retry_After="2")

    client.transport.send(GET)

    assert time.pauses == [2.0]


def test_too_many_requests_for_a_long_time(
    client: Client, cloud: HttpCloud, time: PassingTime
) -> None:
    """Who would have to wait long is told at once; coming back early is no use."""
    cloud.fail(429, Retry_After="30")

    with pytest.raises(errors.TooManyRequests):
        client.transport.send(GET)

    assert (time.pauses, len(cloud.calls)) == ([], 1)


@pytest.mark.parametrize("status", [400, 404, 409, 500, 504])
def test_other_errors_are_not_retried(client: Client, cloud: HttpCloud, status: int) -> None:
    """What will not pass by itself is told at once."""
    cloud.fail(status)

    with pytest.raises(errors.AnswerError) as caught:
        client.transport.send(GET)

    assert caught.value.status == status
    assert len(cloud.calls) == 1


def test_no_connection_is_told(time: PassingTime) -> None:
    """A cloud that is not there gives one clear error, after all attempts."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    pace = transport.Pace(sleep=time.sleep)

    with pytest.raises(errors.CannotConnect) as caught:
        Client.with_token(url, "t", pace=pace).boards.get("kitchen")

    assert caught.value.code == "iot.client.cannot_connect"
    assert len(time.pauses) == 3


def test_calls_to_this_machine_need_no_proxy(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy set for the outside world is not asked for a cloud on this machine."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)

    assert client.boards.get("kitchen").name == "kitchen"


def test_error_has_message_code_and_request(client: Client) -> None:
    """The double-encoded body is read whole."""
    with pytest.raises(errors.NotFound) as caught:
        client.boards.get("cellar")

    error = caught.value
    assert (error.code, error.status) == ("iot.board.not_found", 404)
    assert error.message == "board cellar could not be found"
    assert error.request_id == REQUEST_ID


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error_message": {"faultstring": "an object"}}', "an object"),
        (b'{"error_message": "plain"}', "plain"),
        (b'{"error_message": "<html>no</html>"}', "the cloud answered 400 Bad Request"),
        (b"<html>a proxy</html>", "the cloud answered 400 Bad Request"),
        (b"[1]", "the cloud answered 400 Bad Request"),
    ],
)
def test_other_bodies_of_errors_are_borne(body: bytes, message: str) -> None:
    """Upstream's pages and a proxy's are no reason to fall over."""
    response = requests.Response()
    response.status_code = 400
    response._content = body

    assert errors.from_response(response).message == message


def test_wrong_server_is_told(client: Client, cloud: HttpCloud) -> None:
    """An answer that is no JSON is told as such."""
    with pytest.raises(errors.UnexpectedAnswer):
        client.transport.json(Call(method="GET", path="/v1/plugins/digits/bundle"))


def test_redirects_are_not_followed(client: Client, cloud: HttpCloud) -> None:
    """Credentials go nowhere but to the endpoint."""
    cloud.fail(302, Location="http://elsewhere.invalid/")

    with pytest.raises(errors.AnswerError) as caught:
        client.transport.send(GET)

    assert caught.value.status == 302


@pytest.mark.parametrize("name", ["", "..", "a/b", "a b", "a?b", "ü", "x" * 256, "%2e%2e"])
def test_bad_names_are_never_sent(client: Client, cloud: HttpCloud, name: str) -> None:
    """What cannot be a name cannot leave its place in the path."""
    with pytest.raises(errors.InvalidName):
        client.boards.get(name)

    assert cloud.calls == []


def test_examples_of_the_docstrings() -> None:
    """The examples in the documentation are true."""
    assert doctest.testmod(transport).failed == 0


def test_versions_need_no_credentials(cloud: HttpCloud) -> None:
    """Whether the cloud is there can be asked by anyone."""
    found = Client.with_token(cloud.url, "wrong").versions()

    assert found.maximum == "1.10"

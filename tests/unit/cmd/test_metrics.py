"""``/metrics``: what it shows, who may read it, where it listens."""

from __future__ import annotations

import http.client
import socket
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from iotronic_mec import metrics
from iotronic_mec.cmd import metrics as pages
from iotronic_mec.conf import BadConfiguration, load
from iotronic_mec.errors import Unavailable
from iotronic_mec.metrics import BOUNDS_S

TOKEN = "t" * 20

LOCAL = pages.Place(host="127.0.0.1", port=1, token="")
GUARDED = pages.Place(host="127.0.0.1", port=1, token=TOKEN)


def options(folder: Path, text: str) -> object:
    """Read the group from a file."""
    (folder / "iotronic.conf").write_text(f"[metrics]\n{text}\n")
    return load(folder).metrics


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def read(body: bytes) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Parse a page with Prometheus's own parser: sample to its labels and values."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


def test_off_by_default(tmp_path: Path) -> None:
    """Without an option nothing listens."""
    assert pages.read_place(load(tmp_path).metrics, tmp_path) is None


def test_a_public_listener_needs_a_token(tmp_path: Path) -> None:
    """An address others reach is refused without a token, and taken with one."""
    with pytest.raises(BadConfiguration, match="token_file"):
        pages.read_place(options(tmp_path, "port = 9100\nhost = 0.0.0.0"), tmp_path)
    (tmp_path / "t").write_text(f"{TOKEN}\n")

    place = pages.read_place(
        options(tmp_path, "port = 9100\nhost = 0.0.0.0\ntoken_file = t"), tmp_path
    )

    assert place == pages.Place(host="0.0.0.0", port=9100, token=TOKEN)


@pytest.mark.parametrize("content", [None, "", "short"])
def test_a_token_has_to_be_one(tmp_path: Path, content: str | None) -> None:
    """A token that is not there or too short is refused."""
    if content is not None:
        (tmp_path / "t").write_text(content)

    with pytest.raises(BadConfiguration, match="token_file"):
        pages.read_place(options(tmp_path, "port = 9100\ntoken_file = t"), tmp_path)


@pytest.mark.parametrize(
    ("place", "method", "path", "sent", "status"),
    [
        (LOCAL, "GET", "/metrics", "", None),
        (LOCAL, "GET", "/", "", 404),
        (LOCAL, "POST", "/metrics", "", 405),
        (GUARDED, "GET", "/metrics", "", 401),
        (GUARDED, "GET", "/", "", 401),
        (GUARDED, "GET", "/metrics", TOKEN, 401),
        (GUARDED, "GET", "/metrics", f"Bearer {TOKEN}x", 401),
        (GUARDED, "GET", "/metrics", "Bearer \xff\ud800", 401),
        (GUARDED, "GET", "/metrics", f"Bearer {TOKEN}", None),
    ],
)
def test_who_is_answered(
    place: pages.Place, method: str, path: str, sent: str, status: int | None
) -> None:
    """One page, for GET, for those with the token."""
    reply = pages.refusal(place, method, path, sent)

    assert (reply and reply.status) == status


def test_the_page_of_two_processes() -> None:
    """Both processes' numbers stand in one family each; one that is silent is down."""
    snapshot = [
        {
            "name": "x_seconds",
            "kind": "times",
            "help": "X.",
            "labels": ["route"],
            "series": [[["/v1"], [1.0] * (len(BOUNDS_S) + 1), 3.5]],
        },
        {"name": "n", "kind": "counter", "help": "N.", "labels": [], "series": [[[], 4.0]]},
    ]

    reply = pages.page({"front": snapshot, "core": snapshot, "other": None})

    found = read(reply.body)
    assert reply.media_type.startswith("text/plain; version=0.0.4")
    assert found["iotronic_process_up"] == [
        ({"process": "front"}, 1.0),
        ({"process": "core"}, 1.0),
        ({"process": "other"}, 0.0),
    ]
    assert [value for _, value in found["n_total"]] == [4.0, 4.0]
    assert found["x_seconds_sum"][0] == ({"process": "front", "route": "/v1"}, 3.5)
    assert found["x_seconds_count"][0][1] == len(BOUNDS_S) + 1
    buckets = {labels["le"]: value for labels, value in found["x_seconds_bucket"][:15]}
    assert buckets["+Inf"] == len(BOUNDS_S) + 1
    assert buckets["0.001"] == 1


def test_hostile_labels_stay_labels() -> None:
    """Quotes and newlines of a label do not become further samples."""
    bad = 'x"} 1\nforged_total 5\n\\'
    snapshot = [
        {"name": "n", "kind": "counter", "help": "N.", "labels": ["a"], "series": [[[bad], 1]]}
    ]

    found = read(pages.page({"p": snapshot}).body)

    assert found["n_total"] == [({"process": "p", "a": bad}, 1.0)]
    assert "forged_total" not in found


def test_a_real_scrape() -> None:
    """A process of threads answers over HTTP, and no more once it is closed."""
    port = free_port()
    close = pages.serve(pages.Place(host="127.0.0.1", port=port, token=""), "iotronic-mec-api")
    metrics.OPERATIONS.add("succeeded")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        found = read(answer.read())
        connection.request("GET", "/other")
        refused = connection.getresponse()
        refused.read()
        with pytest.raises(Unavailable, match="choose another"):
            pages.serve(pages.Place(host="127.0.0.1", port=port, token=""), "other")
    finally:
        connection.close()
        close()

    assert answer.status == 200
    assert refused.status == 404
    assert found["iotronic_build_info"][0][0]["process"] == "iotronic-mec-api"
    ended = {labels["state"]: value for labels, value in found["iotronic_operations_ended_total"]}
    assert ended["succeeded"] >= 1
    assert found["iotronic_process_resident_bytes"][0][1] > 1_000_000


def test_port_taken_is_one_line() -> None:
    """The error names the option."""
    told = pages.taken(pages.Place(host="h", port=5, token=""), "in use")

    assert "[metrics]" in told.message

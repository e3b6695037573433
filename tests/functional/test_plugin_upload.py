"""Plugins come in over HTTP: as text, as a file, as an archive, within a quota."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iotronic_mec.features.blob.periodic import collect
from tests.fakes.conductor import PROJECT, USER
from tests.fakes.plugin_cloud import BASE_URL, CODE, PluginCloud, archive, fault, plugin_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[PluginCloud]:
    """Return a cloud of blobs and plugins with small limits."""
    with plugin_cloud(tmp_path) as made:
        yield made


def test_creates_from_code(cloud: PluginCloud) -> None:
    """JSON with code makes a plugin that shows everything about it."""
    answer = cloud.ask(
        "POST",
        "/v1/plugins",
        {
            "name": "camera",
            "code": CODE,
            "callable": True,
            "parameters": {"rate": 1},
            "extra": {"a": [1]},
        },
    )

    assert answer.status_int == 201
    made = answer.json
    assert answer.headers["Location"] == f"{BASE_URL}/v1/plugins/{made['uuid']}"
    links = made.pop("links")
    assert [link["rel"] for link in links] == ["self", "bookmark"]
    assert made.pop("created_at").endswith("+00:00")
    assert made == {
        "uuid": made["uuid"],
        "name": "camera",
        "owner": USER,
        "project": PROJECT,
        "public": False,
        "callable": True,
        "code": CODE,
        "format": "py",
        "digest": hashlib.sha256(CODE.encode()).hexdigest(),
        "size": len(CODE),
        "parameters": {"rate": 1},
        "extra": {"a": [1]},
        "updated_at": None,
    }
    assert cloud.ask("GET", "/v1/plugins/camera").json == answer.json


def test_creates_from_an_archive(cloud: PluginCloud) -> None:
    """A multipart form with a zip makes a plugin; its bytes come back as they were."""
    content = archive(plugin__py=CODE.encode(), model__tflite=bytes(range(256)) * 20)

    answer = cloud.upload(
        name="digits",
        callable="true",
        parameters='{"rate": 1}',
        extra="{'a': True}",
        bundle=("Digits.ZIP", content),
    )

    assert answer.status_int == 201, answer.text
    made = answer.json
    assert (made["format"], made["code"], made["callable"]) == ("zip", None, True)
    assert (made["parameters"], made["extra"]) == ({"rate": 1}, {"a": True})
    got = cloud.ask("GET", "/v1/plugins/digits/bundle")
    assert got.body == content
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["Content-Length"] == str(len(content))
    assert got.headers["Content-Disposition"] == 'attachment; filename="digits.zip"'
    assert got.headers["Content-Security-Policy"] == "sandbox"
    assert got.headers["X-Content-Type-Options"] == "nosniff"


def test_creates_from_a_file(cloud: PluginCloud) -> None:
    """A Python file in a form is the same as its text in JSON."""
    answer = cloud.upload(name="camera", bundle=("camera.py", CODE.encode()))

    assert answer.status_int == 201, answer.text
    assert (answer.json["format"], answer.json["code"]) == ("py", CODE)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        pytest.param({"code": CODE}, "name", id="no name"),
        pytest.param({"name": "camera"}, "code", id="no code"),
        pytest.param({"name": "camera", "code": ""}, "code", id="empty code"),
        pytest.param({"name": "camera", "code": "x = (\n"}, "line 1", id="no Python"),
        pytest.param({"name": "camera", "code": "x = '\0'"}, "line 1", id="null"),
        pytest.param({"name": "camera", "code": None}, "code", id="null code"),
        pytest.param({"name": "camera", "code": 1}, "code", id="number"),
        pytest.param({"name": "a b", "code": CODE}, "name", id="name"),
        pytest.param({"name": "camera", "code": CODE, "digest": "x"}, "digest", id="digest"),
        pytest.param({"name": "camera", "code": CODE, "owner": "x"}, "owner", id="owner"),
        pytest.param({"name": "camera", "code": CODE, "parameters": 1}, "parameters", id="number"),
        pytest.param({"name": "camera", "code": CODE, "public": "x"}, "public", id="boolean"),
    ],
)
def test_refuses_bad_bodies(cloud: PluginCloud, body: dict[str, Any], word: str) -> None:
    """What is wrong is said by name, and nothing is kept."""
    answer = cloud.ask("POST", "/v1/plugins", body)

    assert answer.status_int == 400
    assert word in fault(answer)
    assert cloud.ask("GET", "/v1/plugins").json == {"plugins": []}


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        pytest.param({"bundle": ("a.tar", b"x")}, 400, id="other suffix"),
        pytest.param({"bundle": ("zip", b"x")}, 400, id="no suffix"),
        pytest.param({"bundle": ("a.zip", b"x")}, 400, id="no archive"),
        pytest.param({"bundle": ("a.py", b"\xff")}, 400, id="not UTF-8"),
        pytest.param({"bundle": ("a.py", b"x = 1"), "code": CODE}, 400, id="both"),
        pytest.param({"other": ("a.py", b"x = 1")}, 400, id="other part"),
        pytest.param({"bundle": ("a.py", b"#" * 100_001)}, 413, id="too large"),
        pytest.param({"bundle": ("a.py", b"#" * 20_001)}, 413, id="over the quota"),
    ],
)
def test_refuses_bad_uploads(cloud: PluginCloud, parts: dict[str, Any], status: int) -> None:
    """Uploads that cannot be taken are refused, and nothing is kept."""
    answer = cloud.upload(name="camera", **parts)

    assert answer.status_int == status, answer.text
    assert cloud.ask("GET", "/v1/plugins").json == {"plugins": []}


def test_archive_tricks_name_their_rule(cloud: PluginCloud) -> None:
    """A refused archive says which rule it breaks."""
    content = archive(plugin__py=CODE.encode(), aa=b"1").replace(b"aa", b"..")

    answer = cloud.upload(name="camera", bundle=("a.zip", content))

    assert answer.status_int == 400
    assert answer.json["code"] == "iot.bundle.invalid"
    assert answer.json["details"]["rule"] == "path"


def test_one_of_two_at_once_wins(cloud: PluginCloud) -> None:
    """Two creations of one name at the same time: one 201, one 409."""
    statuses: list[int] = []

    def work(number: int) -> None:
        body = {"name": "camera", "code": f"x = {number}"}
        statuses.append(cloud.ask("POST", "/v1/plugins", body).status_int)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert sorted(statuses) == [201, 409]


def test_taken_name_costs_no_room(cloud: PluginCloud) -> None:
    """A name known to be taken is refused before anything is stored."""
    cloud.create("camera")
    answers = [
        cloud.upload(name="camera", bundle=("a.py", b"#" * 15_000 + bytes([48 + number])))
        for number in range(3)
    ]

    assert [answer.status_int for answer in answers] == [409, 409, 409]
    assert answers[0].json["code"] == "iot.plugin.exists"
    assert cloud.upload(name="lens", bundle=("a.py", b"#" * 15_000)).status_int == 201


def test_quota_ends_and_comes_back(cloud: PluginCloud) -> None:
    """What is deleted is free again once it is collected."""
    cloud.upload(name="one", bundle=("a.py", b"#" * 15_000))
    refused = cloud.upload(name="two", bundle=("a.py", b"#" * 6_000))
    assert refused.status_int == 413
    assert refused.json["code"] == "iot.blob.quota_exceeded"

    assert cloud.ask("DELETE", "/v1/plugins/one").status_int == 204
    cloud.fake.clock.advance(3601)
    collect(cloud.fake.parts, {})

    assert cloud.upload(name="two", bundle=("a.py", b"#" * 6_000)).status_int == 201


def test_upstreams_plugin_is_kept_as_it_is(cloud: PluginCloud) -> None:
    """Source in upstream's form comes back byte for byte, no pickle of it."""
    code = "from modules.plugins import Plugin\n\nclass Worker(Plugin.Plugin):\n    pass\r\n"

    made = cloud.create("worker", code=code)

    assert made["code"] == code

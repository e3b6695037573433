"""Plugins over HTTP: lists, changes, projects, deletion."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.conductor import OTHER_PROJECT
from tests.fakes.plugin_cloud import BASE_URL, CODE, PluginCloud, archive, fault, plugin_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[PluginCloud]:
    """Return a cloud of blobs and plugins with small limits."""
    with plugin_cloud(tmp_path) as made:
        yield made


def test_lists_show_upstreams_fields(cloud: PluginCloud) -> None:
    """A list shows the short set of fields, its detail all of them."""
    cloud.create("camera")

    short = cloud.ask("GET", "/v1/plugins").json["plugins"][0]
    whole = cloud.ask("GET", "/v1/plugins/detail").json["plugins"][0]

    assert set(short) == {"uuid", "name", "owner", "public", "callable", "links"}
    assert whole == cloud.ask("GET", "/v1/plugins/camera").json


def test_lists_hold_no_long_code(cloud: PluginCloud) -> None:
    """Code over 16 KiB is shown for one plugin and left out of lists."""
    code = "#" * 16_385
    cloud.create("long", code=code)

    assert cloud.ask("GET", "/v1/plugins/detail").json["plugins"][0]["code"] is None
    assert cloud.ask("GET", "/v1/plugins/long").json["code"] == code


def test_lists_by_scope(cloud: PluginCloud) -> None:
    """Own, with public ones, only public ones, all for administrators."""
    cloud.create("own")
    cloud.create("shared", project=OTHER_PROJECT, public=True)
    cloud.create("private", project=OTHER_PROJECT)

    def names(path: str, role: str = "member") -> list[str]:
        answer = cloud.ask("GET", path, role=role)
        assert answer.status_int == 200, answer.text
        return [item["name"] for item in answer.json["plugins"]]

    assert names("/v1/plugins") == ["own"]
    assert names("/v1/plugins?with_public=True") == ["own", "shared"]
    assert names("/v1/plugins/public") == ["shared"]
    assert names("/v1/plugins?all_plugins=true", "admin") == ["own", "shared", "private"]
    assert cloud.ask("GET", "/v1/plugins?all_plugins=true").status_int == 400


def test_pages(cloud: PluginCloud) -> None:
    """A list comes in pages that follow one another by ``next``."""
    for name in ("a", "b", "c"):
        cloud.create(name)

    first = cloud.ask("GET", "/v1/plugins/detail?limit=2&fields=name&sort_dir=desc").json
    second = cloud.ask("GET", first["next"].removeprefix(BASE_URL)).json

    assert first["plugins"] == [{"name": "c"}, {"name": "b"}]
    assert second == {"plugins": [{"name": "a"}]}


def test_shows_the_fields_asked_for(cloud: PluginCloud) -> None:
    """``fields`` narrows what is shown; an unknown one is refused."""
    cloud.create("camera")

    assert cloud.ask("GET", "/v1/plugins/camera?fields=name,CODE").json == {
        "name": "camera",
        "code": CODE,
    }
    assert cloud.ask("GET", "/v1/plugins/camera?fields=secret").status_int == 400


def test_updates_with_strings(cloud: PluginCloud) -> None:
    """Upstream's client sends all values as strings; they are taken as meant."""
    cloud.create("camera", parameters={"rate": 1})

    answer = cloud.ask(
        "PATCH",
        "/v1/plugins/camera",
        {"callable": "True", "public": "yes", "parameters": "{'size': 3}", "extra": '{"b":2}'},
    )

    assert answer.status_int == 200, answer.text
    changed = answer.json
    assert (changed["callable"], changed["public"]) == (True, True)
    assert (changed["parameters"], changed["extra"]) == ({"size": 3}, {"b": 2})
    assert (changed["code"], changed["name"]) == (CODE, "camera")
    assert changed["updated_at"] is not None


def test_updates_code(cloud: PluginCloud) -> None:
    """New code replaces the old, by text or by file, and is checked alike."""
    cloud.create("camera")

    by_text = cloud.ask("PATCH", "/v1/plugins/camera", {"code": "x = 1\n"})
    assert (by_text.status_int, by_text.json["code"]) == (200, "x = 1\n")
    by_file = cloud.upload(
        "/v1/plugins/camera", "PATCH", bundle=("a.zip", archive(main__py=b"x = 2"))
    )
    assert (by_file.status_int, by_file.json["format"]) == (200, "zip")
    assert cloud.ask("PATCH", "/v1/plugins/camera", {"code": "x = ("}).status_int == 400


@pytest.mark.parametrize("field", ["uuid", "owner", "project", "digest", "format", "created_at"])
def test_refuses_mass_assignment(cloud: PluginCloud, field: str) -> None:
    """Nothing can be set that is not the tenant's to set."""
    cloud.create("camera")

    answer = cloud.ask("PATCH", "/v1/plugins/camera", {field: "x"})

    assert answer.status_int == 400
    assert field in fault(answer)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/plugins/{}"),
        ("GET", "/v1/plugins/{}/bundle"),
        ("PATCH", "/v1/plugins/{}"),
        ("DELETE", "/v1/plugins/{}"),
    ],
)
def test_private_plugins_of_others_are_not_there(
    cloud: PluginCloud, method: str, path: str
) -> None:
    """Another project's private plugin is a 404, by uuid and by name."""
    made = cloud.create("camera", project=OTHER_PROJECT)

    for ident in (made["uuid"], "camera"):
        answer = cloud.ask(method, path.format(ident), {} if method == "PATCH" else None)
        assert answer.status_int == 404
        assert answer.json["code"] == "iot.plugin.not_found"


def test_public_plugins_are_read_and_not_changed(cloud: PluginCloud) -> None:
    """Another project reads a public plugin with its code, and cannot change it."""
    made = cloud.create("camera", project=OTHER_PROJECT, public=True)
    path = f"/v1/plugins/{made['uuid']}"

    assert cloud.ask("GET", path).json["code"] == CODE
    assert cloud.ask("GET", f"{path}/bundle").body == CODE.encode()
    assert cloud.ask("PATCH", path, {"public": False}).status_int == 403
    assert cloud.ask("DELETE", path).status_int == 403


def test_refused_update_stores_nothing(cloud: PluginCloud) -> None:
    """Code for a plugin one may not change is not even stored."""
    cloud.create("camera", project=OTHER_PROJECT, public=True)

    cloud.ask("PATCH", "/v1/plugins/camera", {"code": "x = 'foreign'"})

    digest = hashlib.sha256(b"x = 'foreign'").hexdigest()
    assert not cloud.fake.storage.exists(digest)


def test_deletes_unless_injected(cloud: PluginCloud) -> None:
    """An injected plugin stays, with a code that says why; another goes."""
    made = cloud.create("camera")
    path = f"/v1/plugins/{made['uuid']}"
    cloud.injected.add(made["uuid"])

    refused = cloud.ask("DELETE", path)
    assert (refused.status_int, refused.json["code"]) == (409, "iot.plugin.in_use")

    cloud.injected.clear()
    answer = cloud.ask("DELETE", path, content_type="application/octet-stream")
    assert (answer.status_int, answer.body) == (204, b"")
    assert cloud.ask("GET", path).status_int == 404


def test_readers_only_read(cloud: PluginCloud) -> None:
    """A reader sees plugins and changes nothing."""
    made = cloud.create("camera")
    path = f"/v1/plugins/{made['uuid']}"
    body = {"name": "other", "code": CODE}

    assert cloud.ask("GET", path, role="reader").status_int == 200
    assert cloud.ask("POST", "/v1/plugins", body, role="reader").status_int == 403
    assert cloud.ask("PATCH", path, {"public": True}, role="reader").status_int == 403
    assert cloud.ask("DELETE", path, role="reader").status_int == 403


def test_lost_bytes_are_no_server_error(cloud: PluginCloud) -> None:
    """A plugin whose bytes are lost is shown without code; they are not found."""
    made = cloud.create("camera")
    cloud.fake.storage.delete(made["digest"])

    assert cloud.ask("GET", "/v1/plugins/camera").json["code"] is None
    assert cloud.ask("GET", "/v1/plugins/camera/bundle").status_int == 404

"""Which credentials ``iot`` uses, out of those that are set."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.http_cloud import BASIC, PASSWORD, USER, HttpCloud
from tests.unit.cli.conftest import Iot

CLOUDS = """
clouds:
  iotronic:
    auth_type: http_basic
    auth:
      endpoint: {url}
      username: admin
      password: {password}
{more}
"""


def write_clouds(folder: Path, cloud: HttpCloud, password: str = PASSWORD, more: str = "") -> Path:
    """Write a clouds.yaml as a standalone cloud does."""
    path = folder / "clouds.yaml"
    path.write_text(CLOUDS.format(url=cloud.url, password=password, more=more))
    return path


def used(cloud: HttpCloud) -> str | None:
    """Return the credentials of the last call."""
    headers = cloud.last.headers
    return headers.get("X-Auth-Token") or headers.get("Authorization")


def test_cloud_of_the_option(bare_iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """``--os-cloud`` names an entry of the clouds.yaml here."""
    write_clouds(tmp_path, cloud)

    assert bare_iot("--os-cloud", "iotronic", "board", "list").code == 0
    assert used(cloud) == BASIC


def test_openrc_with_both_uses_the_token(
    iot: Iot, cloud: HttpCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standalone cloud's openrc sets cloud and token; that is no conflict."""
    monkeypatch.setenv("OS_CLOUD", "iotronic")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(write_clouds(tmp_path, cloud)))

    assert iot("board", "list").code == 0
    assert used(cloud) == cloud.token


def test_cloud_of_the_option_comes_before_the_token(
    iot: Iot, cloud: HttpCloud, tmp_path: Path
) -> None:
    """What is on the command line wins over the environment."""
    write_clouds(tmp_path, cloud)

    iot("--os-cloud", "iotronic", "board", "list")

    assert used(cloud) == BASIC


def test_cloud_of_the_variable(
    bare_iot: Iot, cloud: HttpCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``OS_CLOUD`` with ``OS_CLIENT_CONFIG_FILE`` is enough."""
    monkeypatch.setenv("OS_CLOUD", "iotronic")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(write_clouds(tmp_path, cloud)))

    assert bare_iot("board", "list").code == 0


def test_only_cloud_is_taken(bare_iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """Where there is one cloud only, it need not be named."""
    write_clouds(tmp_path, cloud)

    assert bare_iot("board", "list").code == 0


def test_type_with_its_variables(
    iot: Iot, cloud: HttpCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``OS_AUTH_TYPE=http_basic`` with its variables wins over a token."""
    monkeypatch.setenv("OS_AUTH_TYPE", "http_basic")
    monkeypatch.setenv("OS_ENDPOINT", cloud.url)
    monkeypatch.setenv("OS_USERNAME", USER)
    monkeypatch.setenv("OS_PASSWORD", PASSWORD)

    assert iot("board", "list").code == 0
    assert used(cloud) == BASIC


def test_token_of_the_options(bare_iot: Iot, cloud: HttpCloud) -> None:
    """Token and address can stand on the command line."""
    found = bare_iot("--os-auth-token", cloud.token, "--iotronic-url", cloud.url, "board", "list")

    assert found.code == 0


def test_secrets_file_is_merged(bare_iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """A password may stand in secure.yaml instead."""
    write_clouds(tmp_path, cloud, password="wrong")
    (tmp_path / "secure.yaml").write_text("clouds: {iotronic: {auth: {password: secret}}}")

    assert bare_iot("--os-cloud", "iotronic", "board", "list").code == 0


def test_endpoint_override_of_a_cloud(bare_iot: Iot, cloud: HttpCloud, tmp_path: Path) -> None:
    """``iot_endpoint_override`` is OpenStack's key for another address."""
    text = write_clouds(tmp_path, cloud).read_text().replace(cloud.url, "http://127.0.0.1:9/")
    override = f"    iot_endpoint_override: {cloud.url}/v1"
    (tmp_path / "clouds.yaml").write_text(text + override)

    assert bare_iot("--os-cloud", "iotronic", "board", "list").code == 0


def test_wrong_credentials_are_told_with_a_cure(
    bare_iot: Iot, cloud: HttpCloud, tmp_path: Path
) -> None:
    """A 401 says what to look at."""
    write_clouds(tmp_path, cloud, password="wrong")

    found = bare_iot("--os-cloud", "iotronic", "board", "list")

    assert found.code == 1
    assert "check the token or password" in found.err


def test_no_credentials_are_wrong_usage(bare_iot: Iot) -> None:
    """Without any credentials one line says what to do."""
    found = bare_iot("board", "list")

    assert found.code == 2
    assert found.err.startswith("error: no credentials: 'source DIR/openrc'")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("clouds: {other: {}}", "is not in clouds.yaml; there are: other"),
        ("clouds: [", "not YAML"),
        ("nothing: here", "has no 'clouds'"),
        ("clouds: {iotronic: {profile: vendor}}", "use 'openstack iot'"),
        ("clouds: {iotronic: {auth_type: nonsense}}", "nonsense"),
        ("clouds: {iotronic: {}}", "auth_url"),
    ],
)
def test_bad_clouds_are_told(bare_iot: Iot, tmp_path: Path, content: str, said: str) -> None:
    """What is wrong in the file is told in one sentence."""
    (tmp_path / "clouds.yaml").write_text(content)

    found = bare_iot("--os-cloud", "iotronic", "board", "list")

    assert found.code == 2
    assert said in found.err


def test_absent_clouds_are_told(bare_iot: Iot, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is named and not there is told."""
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", "/nowhere/clouds.yaml")

    assert "/nowhere/clouds.yaml" in bare_iot("--os-cloud", "x", "board", "list").err

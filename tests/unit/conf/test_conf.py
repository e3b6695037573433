"""Options: each explained, read from the file, and the samples of today."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config import generator as config_generator
from oslo_policy import generator as policy_generator

from iotronic_mec.conf import BadConfiguration, iter_options, load_settings, quota
from iotronic_mec.conf.opts import list_opts
from iotronic_mec.feature import ReachSettings, Settings
from iotronic_mec.registry import FEATURES

OPTIONS = [(group.name, option) for group, options in list_opts() for option in options]


def settings(folder: Path) -> Settings:
    """Read the settings of a state directory."""
    return load_settings(folder, public_url="http://p", content_url="http://c", wamp_url="ws://w")


def test_defaults(tmp_path: Path) -> None:
    """Without a file the defaults hold, which are those of the settings."""
    plain = Settings(
        state_dir=tmp_path,
        public_url="http://p",
        content_url="http://c",
        wamp_url="ws://w",
        policy_file=tmp_path / "policy.yaml",
        quotas={name: most for name, most, _ in quota.DEFAULTS},
        ledger_driver="file",
        reach=ReachSettings(address="c"),
    )

    assert settings(tmp_path) == plain


def test_how_boards_are_reached(tmp_path: Path) -> None:
    """Ranges, address and zones of the group reach are read; zones in lower case."""
    (tmp_path / "iotronic.conf").write_text(
        "[reach]\nport_min = 4000\nport_max = 4001\naddress = h\nzones = A.example, b.example.\n"
    )

    reach = settings(tmp_path).reach

    assert reach == ReachSettings(
        ports=(4000, 4001), address="h", zones=("a.example", "b.example")
    )


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("dns_driver = designate\nzones = boards.example.org\n", "designate"),
        ("dns_driver = none\n", "none"),
        ("", "fake"),
    ],
)
def test_zones_and_name_servers(tmp_path: Path, text: str, driver: str) -> None:
    """A driver that tells a name server needs the zones; others may do without."""
    (tmp_path / "iotronic.conf").write_text(f"[reach]\n{text}")

    assert settings(tmp_path).reach.dns_driver == driver


def test_file(tmp_path: Path) -> None:
    """The file in the state directory is read."""
    (tmp_path / "iotronic.conf").write_text(
        "[api]\nmax_limit = 7\ntrust_proxy_headers = yes\npolicy_file = /etc/p.yaml\n"
    )

    read = settings(tmp_path)

    assert read.max_limit == 7
    assert read.trust_proxy_headers
    assert read.policy_file == Path("/etc/p.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "[api]\nmax_limit = many\n",
        "[api]\nmax_limit = 0\n",
        "max_limit",
        "[api\n",
        "[reach]\nport_min = 5\nport_max = 4\n",
        "[reach]\nvif_port_max = 4\n",
        "[reach]\nport_min = 70000\n",
        "[reach]\nzones = ../etc\n",
        "[reach]\ndns_driver = designate\n",
        "[reach]\ndns_driver = designate\nzones = ,\n",
    ],
)
def test_wrong_file(tmp_path: Path, text: str) -> None:
    """A wrong value or file is one error that names the file."""
    (tmp_path / "iotronic.conf").write_text(text)

    with pytest.raises(BadConfiguration) as caught:
        settings(tmp_path)

    assert "iotronic.conf" in caught.value.message


def test_all_options_are_shown(tmp_path: Path) -> None:
    """Every option is listed with its value."""
    shown = {(group, name) for group, name, _ in iter_options(tmp_path)}

    assert shown == {(group, option.name) for group, option in OPTIONS}


@pytest.mark.parametrize(("group", "option"), OPTIONS, ids=lambda value: str(value))
def test_every_option_is_explained(group: str, option: object) -> None:
    """A help text says what the option does and when a change counts."""
    text = str(getattr(option, "help", ""))

    assert len(text) > 40
    assert any(word in text for word in ("Read at the start", "Read again", "Told to"))


def test_configuration_sample(tmp_path: Path, repository: Path) -> None:
    """The sample in etc/ is what ``tox -e genconfig`` writes today."""
    fresh = tmp_path / "sample"

    config_generator.main(["--namespace", "iotronic_mec", "--output-file", str(fresh)])

    assert (repository / "etc" / "iotronic.conf.sample").read_text() == fresh.read_text()


def test_policy_sample(tmp_path: Path, repository: Path) -> None:
    """The sample in etc/ is what ``tox -e genpolicy`` writes today."""
    fresh = tmp_path / "sample"

    policy_generator.generate_sample(["--namespace", "iotronic_mec", "--output-file", str(fresh)])

    assert (repository / "etc" / "policy.yaml.sample").read_text() == fresh.read_text()


def test_every_quota_has_its_default() -> None:
    """What features count is what the options limit."""
    counted = {each.resource for feature in FEATURES for each in feature.quotas}

    assert counted == {name for name, _, _ in quota.DEFAULTS} | {"bytes"}

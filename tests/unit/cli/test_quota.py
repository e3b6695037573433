"""The commands on quotas, run against a fake cloud."""

from __future__ import annotations

from argparse import ArgumentTypeError

import pytest

from iotronic_mec.cli.v1.quota import limit
from tests.fakes.http_cloud import HttpCloud
from tests.unit.cli.conftest import Iot


def test_the_own_limits_are_shown(iot: Iot, cloud: HttpCloud) -> None:
    """Without a project it is the caller's."""
    rows = iot("quota", "show", "-f", "json").json

    assert rows[0] == {"resource": "boards", "limit": 10, "used": 1, "default": 10}
    assert cloud.last.path == "/v1/quotas"


def test_limits_are_set_and_reset(iot: Iot, cloud: HttpCloud) -> None:
    """Set sends what was named, reset takes back one, several or all."""
    rows = iot("quota", "set", "school", "boards=50", "plugins=unlimited", "-f", "json").json
    sent = cloud.last.body
    one = iot("quota", "reset", "school", "boards")
    asked = cloud.last.query
    shown = iot("quota", "show", "school", "-f", "json").json
    every = iot("quota", "reset", "school")

    assert sent == {"limits": {"boards": 50, "plugins": -1}}
    assert rows[0]["limit"] == 50
    assert asked == {"resource": "boards"}
    assert shown[0]["limit"] == 10
    assert (one.code, every.code) == (0, 0)
    assert cloud.last.query == {}


@pytest.mark.parametrize("text", ["boards", "=5", "boards=", "boards=many", "boards=-2", "b=²"])
def test_what_is_no_limit(text: str) -> None:
    """It is a mistake of usage, before anything is sent."""
    with pytest.raises(ArgumentTypeError):
        limit(text)

"""What a plugin demands of a call."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from iotronic_mec.features.plugin.model import (
    ParametersMissing,
    Plugin,
    PluginForbidden,
    check_changeable,
    check_parameters,
)


def plugin(**values: Any) -> Plugin:
    """Return a plugin."""
    return Plugin(
        **{
            "uuid": "44444444-4444-4444-8444-444444444444",
            "project": "mine",
            "owner": "me",
            "name": "camera",
            "digest": "ab" * 32,
            "size": 10,
            "created_at": datetime(2026, 1, 1, tzinfo=UTC),
            **values,
        }
    )


def test_names_every_missing_parameter() -> None:
    """A call without declared parameters is told which they are."""
    declared = plugin(parameters={"threshold": 0.5, "camera": "default", "rate": 1})

    with pytest.raises(ParametersMissing, match="camera, threshold") as caught:
        check_parameters(declared, {"rate": 2})

    assert caught.value.details == {"missing": ["camera", "threshold"]}


def test_passes_what_was_given() -> None:
    """Declared parameters take the value given, others are passed on."""
    declared = plugin(parameters={"rate": 1})

    assert check_parameters(declared, {"rate": None, "more": 2}) == {"rate": None, "more": 2}


@pytest.mark.parametrize("given", [None, {}])
def test_none_are_needed_where_none_are_declared(given: dict[str, Any] | None) -> None:
    """A plugin that declares nothing may be called with nothing."""
    assert check_parameters(plugin(), given) == {}


def test_only_its_project_may_change_it() -> None:
    """Another project may see a public plugin and not change it; an administrator may."""
    check_changeable(plugin(), "mine", is_admin=False)
    check_changeable(plugin(), "other", is_admin=True)

    with pytest.raises(PluginForbidden):
        check_changeable(plugin(public=True), "other", is_admin=False)

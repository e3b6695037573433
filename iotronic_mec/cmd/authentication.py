"""Who is asked who is asking: ``[api] auth_strategy``, *embedded* or *keystone*."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from iotronic_mec.api.auth import Authenticator, EmbeddedAuthenticator, LastUsed
from iotronic_mec.conf import KEYSTONE, load_keystone
from iotronic_mec.errors import Forbidden
from iotronic_mec.feature import Feature, Parts, Route, Settings
from iotronic_mec.features.identity import store as identity_store
from iotronic_mec.features.token import store as token_store
from iotronic_mec.passwords import Passwords

DIRECTORY = frozenset({"identity", "project", "token"})
"""Features that only hold something where there is no Keystone."""

OWN = "/v1/whoami"
"""The one route of theirs that tells of the caller, whoever knows it."""


class KeptByKeystone(Forbidden):
    """Users, projects and tokens are Keystone's here; use 'openstack'."""

    code = "iot.identity.keystone"


def build_authenticator(
    parts: Parts, used: LastUsed, passwords: Passwords | None = None
) -> Authenticator:
    """Return what finds out who is asking.

    :param passwords: other parameters of the embedded hash, for tests
    :raises BadConfiguration: ``[keystone_authtoken]`` cannot be used
    """
    settings = parts.settings
    if settings.auth_strategy == KEYSTONE:
        conf = load_keystone(settings.state_dir, settings.config_files)
        # keystonemiddleware takes a second to load: only where it is wanted
        module = importlib.import_module("iotronic_mec.api.keystone")
        made: Authenticator = module.KeystoneAuthenticator(conf, parts.clock)
        return made
    return EmbeddedAuthenticator(
        parts.database,
        identity_store,
        token_store,
        passwords or Passwords(),
        parts.clock,
        used,
    )


def served(features: Iterable[Feature], settings: Settings) -> tuple[Feature, ...]:
    """Return the features as the API serves them under the strategy.

    Under Keystone the routes of embedded users stay, since clients know them,
    and say where users are.
    """
    if settings.auth_strategy != KEYSTONE:
        return tuple(features)
    return tuple(
        replace(feature, routes=tuple(_elsewhere(route) for route in feature.routes))
        if feature.name in DIRECTORY
        else feature
        for feature in features
    )


def refusal(folder: Path, strategy: str) -> str | None:
    """Return why embedded users cannot be managed, ``None`` where they can."""
    if strategy != KEYSTONE:
        return None
    return (
        f"users and tokens of the cloud of {folder} are Keystone's ([api] auth_strategy): "
        "use 'openstack user', 'openstack role add', 'openstack token issue'"
    )


def _elsewhere(route: Route) -> Route:
    return route if route.path == OWN else replace(route, handler=_refuse)


def _refuse(call: Any) -> Any:
    """Say where users are."""
    raise KeptByKeystone()

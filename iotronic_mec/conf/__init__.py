"""The configuration: one module per option group, read once, passed in.

``DIR/iotronic.conf`` is read where it exists; every option has a default.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from oslo_config import cfg

from iotronic_mec import hostname
from iotronic_mec.conf import quota
from iotronic_mec.conf.opts import GROUPS, register
from iotronic_mec.conf.reach import PRETENDING
from iotronic_mec.counted import Rate
from iotronic_mec.errors import Error
from iotronic_mec.feature import ReachSettings, Settings

__all__ = [
    "KEYSTONE",
    "BadConfiguration",
    "iter_options",
    "load",
    "load_keystone",
    "load_settings",
]

KEYSTONE = "keystone"
"""Value of ``[api] auth_strategy``."""

FILE_NAME = "iotronic.conf"


class BadConfiguration(Error):
    """The configuration file cannot be used."""

    code = "iot.configuration.invalid"


def load(folder: Path, given: Sequence[Path] = ()) -> cfg.ConfigOpts:
    """Read the configuration of a state directory.

    :param given: files to read instead; a later one outranks an earlier one
    :raises BadConfiguration: names the file, the option and the rule
    """
    conf = cfg.ConfigOpts()
    register(conf)
    path = folder / FILE_NAME
    files = [str(path) for path in given] or ([str(path)] if path.exists() else [])
    try:
        conf([], project="iotronic", default_config_files=files, default_config_dirs=[])
        for module in GROUPS:
            for option in module.OPTIONS:
                conf[module.GROUP.name][option.name]
    except (cfg.Error, ValueError) as error:
        raise BadConfiguration(f"{', '.join(files) or path}: {error}") from error
    return conf


def load_settings(
    folder: Path,
    *,
    public_url: str,
    content_url: str,
    wamp_url: str,
    given: Sequence[Path] = (),
) -> Settings:
    """Return what the commands need of the configuration.

    :param folder: the state directory
    :param given: files to read instead of the state directory's
    :raises BadConfiguration: the file cannot be used
    """
    conf = load(folder, given)
    if conf.api.auth_strategy == KEYSTONE:
        load_keystone(folder, given)
    return Settings(
        state_dir=folder,
        public_url=public_url,
        content_url=content_url,
        wamp_url=wamp_url,
        max_bundle_bytes=conf.api.max_bundle_bytes,
        project_quota_bytes=conf.conductor.project_quota_bytes,
        board_call_timeout_s=conf.conductor.board_call_timeout_s,
        retry_boards_per_s=conf.wamp.retry_boards_per_s,
        heartbeat_s=conf.wamp.heartbeat_s,
        max_limit=conf.api.max_limit,
        event_retention_s=conf.retention.event_s,
        request_retention_s=conf.retention.request_s,
        location_retention_days=conf.retention.location_days,
        grant_use_retention_days=conf.retention.grant_use_days,
        token_retention_days=conf.retention.token_days,
        max_token_life_s=conf.identity.max_token_life_s,
        storage_driver=conf.storage.driver,
        storage_path=folder / conf.storage.path if given else None,
        config_files=tuple(given),
        ledger_driver=conf.audit.ledger_driver,
        ledger_path=conf.audit.ledger_path,
        audit_head_interval_s=conf.audit.head_interval_s,
        audit_retention_days=conf.audit.retention_days,
        egress_networks=tuple(conf.egress.allowed_networks),
        policy_file=folder / conf.api.policy_file,
        trust_proxy_headers=conf.api.trust_proxy_headers,
        auth_strategy=conf.api.auth_strategy,
        project_rate=Rate(per_s=conf.api.project_rate, burst=conf.api.project_burst),
        user_rate=Rate(per_s=conf.api.user_rate, burst=conf.api.user_burst),
        quotas={name: conf.quota[name] for name, _, _ in quota.DEFAULTS},
        reach=_reach(conf, folder, content_url),
    )


def _reach(conf: cfg.ConfigOpts, folder: Path, content_url: str) -> ReachSettings:
    given = conf.reach
    for first, last in (("port_min", "port_max"), ("vif_port_min", "vif_port_max")):
        if given[first] > given[last]:
            raise BadConfiguration(
                f"{folder / FILE_NAME}: [reach] {last} must not be below {first}"
            )
    zones = tuple(zone.strip().strip(".").lower() for zone in given.zones)
    for zone in zones:
        if not hostname.is_hostname(zone):
            raise BadConfiguration(f"{folder / FILE_NAME}: [reach] zones: {zone!r} is no zone")
    if not zones and given.dns_driver not in PRETENDING:
        raise BadConfiguration(
            f"{folder / FILE_NAME}: [reach] zones: with dns_driver {given.dns_driver} the zones "
            "in which tenants may take names must be given; a zone of their own"
        )
    return ReachSettings(
        tunnel_driver=given.tunnel_driver,
        dns_driver=given.dns_driver,
        proxy_driver=given.proxy_driver,
        network_driver=given.network_driver,
        ports=(given.port_min, given.port_max),
        vif_ports=(given.vif_port_min, given.vif_port_max),
        address=given.address or urlsplit(content_url).hostname or "127.0.0.1",
        zones=zones,
    )


def load_keystone(folder: Path, given: Sequence[Path] = ()) -> cfg.ConfigOpts:
    """Read the configuration with ``[keystone_authtoken]``.

    :param given: files to read instead of the state directory's
    :raises BadConfiguration: names the file, the option and the rule
    """
    conf = load(folder, given)
    # keystonemiddleware takes a second to load: only where it is wanted
    keystone = importlib.import_module("iotronic_mec.conf.keystone")
    try:
        keystone.prepare(conf)
    except (cfg.Error, ValueError) as error:
        raise BadConfiguration(f"{folder / FILE_NAME}: {error}") from error
    return conf


def iter_options(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Yield group, name and value of every option; secrets as asterisks."""
    conf = load(folder)
    for module in GROUPS:
        for option in module.OPTIONS:
            value = conf[module.GROUP.name][option.name]
            yield module.GROUP.name, option.name, "***" if option.secret else value

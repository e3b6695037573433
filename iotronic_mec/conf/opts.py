"""All option groups; the generator's entry point."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from iotronic_mec.conf import (
    api,
    audit,
    cloud,
    conductor,
    database,
    egress,
    gateway,
    identity,
    log,
    metrics,
    quota,
    reach,
    retention,
    rpc,
    storage,
    wamp,
    wamp_agent,
)

GROUPS = (
    api,
    audit,
    cloud,
    conductor,
    database,
    egress,
    gateway,
    identity,
    log,
    metrics,
    quota,
    reach,
    retention,
    rpc,
    storage,
    wamp,
    wamp_agent,
)
"""One module per group."""


def list_opts() -> list[tuple[Any, list[Any]]]:
    """Return groups and options, for oslo-config-generator."""
    return [(module.GROUP, list(module.OPTIONS)) for module in GROUPS]


def register(conf: cfg.ConfigOpts) -> None:
    """Register all options on a configuration object."""
    for module in GROUPS:
        conf.register_group(module.GROUP)
        conf.register_opts(module.OPTIONS, group=module.GROUP)

"""All option groups; the generator's entry point."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from iotronic_mec.conf import (
    api,
    audit,
    conductor,
    database,
    egress,
    identity,
    reach,
    storage,
    wamp,
)

GROUPS = (api, audit, conductor, database, egress, identity, reach, storage, wamp)
"""One module per group."""


def list_opts() -> list[tuple[Any, list[Any]]]:
    """Return groups and options, for oslo-config-generator."""
    return [(module.GROUP, list(module.OPTIONS)) for module in GROUPS]


def register(conf: cfg.ConfigOpts) -> None:
    """Register all options on a configuration object."""
    for module in GROUPS:
        conf.register_group(module.GROUP)
        conf.register_opts(module.OPTIONS, group=module.GROUP)

"""The modules every board has."""

from __future__ import annotations

import importlib
from collections.abc import Iterable

from lightning_agent.errors import Error
from lightning_agent.modules.base import Module, Parts
from lightning_agent.modules.device import Device
from lightning_agent.modules.package import Package
from lightning_agent.modules.plugin import PluginModule
from lightning_agent.modules.reset import Reset
from lightning_agent.modules.rest import Rest

MODULES: tuple[type[Module], ...] = (Device, Package, PluginModule, Reset, Rest)


class ModuleRefused(Error):
    """A module named in ``agent.toml`` cannot be used."""

    code = "module_refused"


def load(parts: Parts, further: Iterable[str]) -> list[Module]:
    """Make all modules: the built-in ones, then those the owner named.

    :param further: ``package.module:Class``, see ``modules`` in ``agent.toml``
    :raises ModuleRefused: one of them cannot be imported, is no module, or is there twice
    """
    modules = [kind(parts) for kind in MODULES]
    for place in further:
        path, _, name = place.partition(":")
        try:
            kind = getattr(importlib.import_module(path), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ModuleRefused(f"the module {place!r} cannot be loaded: {error}") from error
        if not (isinstance(kind, type) and issubclass(kind, Module)):
            raise ModuleRefused(f"{place!r} is no module")
        if any(module.name == kind.name for module in modules):
            raise ModuleRefused(f"there are two modules named {kind.name!r}")
        modules.append(kind(parts))
    return modules

"""What a configuration file holds that nobody reads: misspelt or old options."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

from oslo_config import cfg

from iotronic_mec.conf.opts import GROUPS

LIBRARIES = ("DEFAULT", "keystone_authtoken", "oslo_messaging_", "oslo_middleware", "oslo_policy")
"""Beginnings of groups that libraries read; they check them themselves."""


def unknown(files: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each option and group that is not known here.

    :raises cfg.ParseError: a file cannot be read as a configuration
    """
    options = {module.GROUP.name: {option.dest for option in module.OPTIONS} for module in GROUPS}
    for path in files:
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        for group, given in sections.items():
            if group.startswith(LIBRARIES):
                continue
            if group not in options:
                yield f"{path.name}: there is no group [{group}]{_guess(group, options)}"
                continue
            for name in given:
                if name.replace("-", "_") not in options[group]:
                    guess = _guess(name, options[group])
                    yield f"{path.name}: there is no option [{group}] {name}{guess}"


def deprecated(files: Iterable[Path]) -> Iterator[str]:
    """Yield a sentence for each option that is set and is to go."""
    going = {
        (module.GROUP.name, option.dest): option.deprecated_reason or "it will be removed"
        for module in GROUPS
        for option in module.OPTIONS
        if option.deprecated_for_removal
    }
    for path in files:
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        for group, given in sections.items():
            for name in given:
                reason = going.get((group, name.replace("-", "_")))
                if reason is not None:
                    yield f"{path.name}: [{group}] {name}: {reason}"


def _guess(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), 1)
    return f", {near[0]} is meant?" if near else ""

"""What a plugin is: a tenant's program for boards, kept as a blob."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from iotronic_mec.errors import BadRequest, Conflict, Forbidden, NotFound

PY = "py"
"""Format of a plugin that is one Python file."""

ZIP = "zip"
"""Format of a plugin that is an archive with ``plugin.py`` or ``main.py`` at its root."""

FORMATS = frozenset({PY, ZIP})

KIND = "plugin"
"""What a plugin is called where blobs' uses, audit rows and vetoes name kinds."""


class PluginNotFound(NotFound):
    """There is no such plugin."""

    code = "iot.plugin.not_found"


class PluginExists(Conflict):
    """The project has a plugin of this name."""

    code = "iot.plugin.exists"


class ProjectHasPlugins(Conflict):
    """The project has plugins; delete them first."""

    code = "iot.project.has_plugins"


class PluginInUse(Conflict):
    """The plugin is injected on a board; remove it there first."""

    code = "iot.plugin.in_use"


class PluginAmbiguous(Conflict):
    """Several plugins have this name; use the uuid."""

    code = "iot.plugin.ambiguous"


class PluginForbidden(Forbidden):
    """The plugin belongs to another project, which alone may change it."""

    code = "iot.plugin.forbidden"


class ParametersMissing(BadRequest):
    """The plugin declares parameters that were not given."""

    code = "iot.plugin.parameters_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """One plugin.

    ``owner`` is the user who made it. ``public``: other projects may read and
    inject it. ``callable``: it runs to its end and gives a result (called);
    otherwise it is started and stopped. ``parameters`` declares the keys every
    call or start must give. ``digest`` and ``size`` (bytes) name its blob.
    """

    uuid: str
    project: str
    owner: str
    name: str
    public: bool = False
    callable: bool = False
    parameters: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    format: str = PY
    digest: str
    size: int
    created_at: datetime
    updated_at: datetime | None = None


def check_changeable(plugin: Plugin, project: str, *, is_admin: bool) -> None:
    """Let those who may see a plugin change it only where it is theirs.

    :raises PluginForbidden: it is another project's public plugin
    """
    if plugin.project != project and not is_admin:
        raise PluginForbidden(
            f"plugin {plugin.name} belongs to another project, which alone may change it"
        )


def check_parameters(plugin: Plugin, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the parameters of a call or start.

    As upstream, every key the plugin declares must be given; other keys are
    passed on.

    :raises ParametersMissing: names the keys
    """
    given = given or {}
    absent = sorted(key for key in plugin.parameters if key not in given)
    if absent:
        raise ParametersMissing(
            f"plugin {plugin.name} needs these parameters too: {', '.join(absent)}",
            details={"missing": absent},
        )
    return {**plugin.parameters, **given}

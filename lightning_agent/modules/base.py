"""Everything the author of a module needs.

A module is a class with procedures; the part before the dot in an order's name
(``device.echo``) is the module's name, the part behind it the method's::

    class Thermometer(Module):
        name = "thermometer"

        @procedure(effect=False)
        async def read(self, order: OperationCall) -> dict[str, float]:
            return {"celsius": 21.5}

The method gets the checked order and returns any JSON value. It raises an
:class:`~lightning_agent.errors.Error` to say why the work failed. It runs on the
reactor and must not block. It is cancelled at the order's deadline; what it
started outside of this process it must bound itself, by ``order.remaining_s``.
Modules are listed in :data:`lightning_agent.modules.builtin.MODULES`, or named by
the board's owner in ``agent.toml``: ``[agent] modules = ["package.module:Class"]``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from lightning_agent.clock import Clock
from lightning_agent.errors import Error
from lightning_agent.modules.keeper import Keeper
from lightning_agent.modules.link import Link
from lightning_agent.owner import Owner
from lightning_agent.protocol.device import Parameters
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import OperationCall

Method = Callable[[Any, OperationCall], Awaitable[Any]]
Marked = TypeVar("Marked", bound=Method)
Checked = TypeVar("Checked", bound=Parameters)

_MARK = "_lightning_effect"
_BACKGROUND = "_lightning_background"
_NOTED = "_noted_procedure"


class BadParameters(Error):
    """A parameter of the order is missing or wrong; the message names it."""

    code = "bad_parameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class Procedure:
    """One order the board understands.

    ``effect``: whether carrying it out twice would differ from once. Such an
    order is written down before it begins and before it is answered.
    ``background``: whether it may take longer than a call. The caller is told at
    once that it runs; how it ended is reported by the journal. It bounds itself.
    ``noted``: whether its end goes into the journal. One that is asked for often,
    and has no effect, does without.
    """

    name: str
    effect: bool
    run: Callable[[OperationCall], Awaitable[Any]]
    background: bool = False
    noted: bool = True


def procedure(
    *, effect: bool, background: bool = False, noted: bool = True
) -> Callable[[Marked], Marked]:
    """Mark a method of a module as a procedure.

    :param effect: whether it changes anything, see :class:`Procedure`
    :param background: whether it outlasts the call, see :class:`Procedure`
    :param noted: whether the journal knows of it, see :class:`Procedure`
    """

    def mark(method: Marked) -> Marked:
        setattr(method, _MARK, effect)
        setattr(method, _BACKGROUND, background)
        setattr(method, _NOTED, noted)
        return method

    return mark


class Power(Protocol):
    """What a module may do with the agent itself; reactor thread only."""

    async def flush(self) -> None:
        """Return when all ends of orders are on the disk."""

    async def restart(self) -> None:
        """Start the agent anew; plugins go on running."""

    async def drop_identity(self) -> None:
        """End the agent, forget who the board is, and start over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What modules are given: time, the supervisor, the plugins' keeper, the owner's word."""

    clock: Clock
    link: Link
    keeper: Keeper
    reactor: Any
    state_dir: Path
    power: Power
    owner: Owner = field(default_factory=Owner)


class Module:
    """A group of procedures. Subclasses set ``name`` and mark methods."""

    name: ClassVar[str]

    def __init__(self, parts: Parts) -> None:
        self.parts = parts

    def procedures(self) -> list[Procedure]:
        """Return the marked methods under their full names."""
        return [
            Procedure(
                name=f"{self.name}.{method_name}",
                effect=getattr(method, _MARK),
                background=getattr(method, _BACKGROUND),
                noted=getattr(method, _NOTED),
                run=method,
            )
            for method_name, method in inspect.getmembers(self, inspect.ismethod)
            if hasattr(method, _MARK)
        ]

    async def recover(self, name: str, order: OperationCall) -> Any | None:
        """Find out how an order of this module ended that a former agent began.

        :returns: its result, or ``None`` when it cannot be known
        """
        del name, order
        return None

    def resume(self) -> None:
        """Take up what a former agent left, when the new one starts."""


def parameters_of(order: OperationCall, kind: type[Checked]) -> Checked:
    """Return the parameters of an order as their message, checked.

    :raises BadParameters: names the parameter and the rule
    """
    try:
        found = kind.from_wire(order.parameters)
        found.check()
    except BadMessage as error:
        words = error.message.removeprefix(f"{kind.__name__}.")
        raise BadParameters(f"the parameter {words}") from error
    return found


def text_of(order: OperationCall, key: str) -> str:
    """Return a parameter that must be a text.

    :raises BadParameters: it is absent or no text
    """
    value = order.parameters.get(key)
    if not isinstance(value, str):
        raise BadParameters(f"the parameter {key} must be a text")
    return value


def table_of(order: OperationCall, key: str) -> dict[str, Any] | None:
    """Return a parameter that must be a map with text keys, ``None`` when it is absent or null.

    :raises BadParameters: it is anything else
    """
    value = order.parameters.get(key)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        raise BadParameters(f"the parameter {key} must be a map with text keys")
    return value


def number_of(order: OperationCall, key: str, otherwise: float, most: float) -> float:
    """Return a parameter that must be a number 0..most.

    :param otherwise: what it is when absent or null
    :raises BadParameters: it is anything else
    """
    value = order.parameters.get(key)
    if value is None:
        return otherwise
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise BadParameters(f"the parameter {key} must be a number 0..{most:g}")
    return float(value)

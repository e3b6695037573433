"""The mark that makes a method reachable over RPC; everything else is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Method = TypeVar("Method", bound=Callable[..., Any])

_MARK = "__rpc_exposed__"


def expose(method: Method) -> Method:
    """Mark a method of a ``commands`` class as part of its RPC endpoint.

    It is called as ``method(context, **arguments)`` with JSON-ready arguments
    and returns something JSON-ready.
    """
    setattr(method, _MARK, True)
    return method


def is_exposed(method: object) -> bool:
    """Say whether the method carries the mark."""
    return getattr(method, _MARK, False) is True

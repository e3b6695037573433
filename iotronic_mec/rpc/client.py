"""The conductor as its callers see it: ``call(namespace, method, …)``."""

from __future__ import annotations

from typing import Any, Protocol

from iotronic_mec.context import Context


class Conductor(Protocol):
    """Whatever carries calls to the conductor; direct in one process."""

    def call(self, context: Context, namespace: str, method: str, /, **arguments: Any) -> Any:
        """Call one exposed method and return its answer.

        Blocks up to ``context.remaining_s()``.

        :raises iotronic_mec.errors.Error: whatever the method raised
        """

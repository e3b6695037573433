"""Blocking work in a thread of its own, which never keeps the agent from ending.

A pool's threads are waited for when the interpreter ends, so one slow peer would
hold the agent; these threads are not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

Result = TypeVar("Result")


def aside(reactor: Any, work: Callable[[], Result], name: str) -> Deferred[Result]:
    """Run blocking work beside the reactor; the caller bounds how many there are.

    Reactor thread only. Cancelling stops the wait, not the work, which bounds itself.

    :param name: of the thread, for those who look at the process
    """
    done: Deferred[Result] = Deferred(lambda _: None)

    def tell(result: Result) -> None:
        if not done.called:
            done.callback(result)

    def fail(error: Exception) -> None:
        if not done.called:
            done.errback(error)

    def run() -> None:
        try:
            result = work()
        except Exception as error:
            reactor.callFromThread(fail, error)
        else:
            reactor.callFromThread(tell, result)

    threading.Thread(target=run, name=name, daemon=True).start()
    return done

"""The control: the same code as an ordinary child process, without a sandbox.

Reads one JSON object (``code``, ``told``, ``calls``, ``limit_s``) from its standard input, runs
the code in a fork and prints how it ended. Grounds, so that nothing reaches the host:

``plain``   a child process of the tests
``own``     in mount, pid, ipc, uts and network namespaces of its own, with all of root's powers
"""

from __future__ import annotations

import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
import types
from typing import Any

GROUNDS = {
    "plain": [],
    "own": [
        *("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"),
        *("--ipc", "--uts", "--net"),
    ],
}

LIMIT_S = 6.0
"""Seconds the code has at most."""


def run_outside(
    code: str,
    told: dict[str, Any],
    *,
    ground: str = "plain",
    calls: int = 1,
    prefix: list[str] | None = None,
) -> dict[str, Any]:
    """Run the code without a sandbox; return its verdict, and how its process ended."""
    order = {"code": code, "told": told, "calls": calls, "limit_s": LIMIT_S}
    command = [*(prefix or []), *GROUNDS[ground], sys.executable, __file__]
    done = subprocess.run(
        command,
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=LIMIT_S * 4,
        check=False,
        env={**os.environ, "PLANTED_SECRET": "planted"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Run the order that is read and print its end."""
    order = json.load(sys.stdin)
    with subprocess.Popen(["sleep", "100"], start_new_session=True) as victim:
        found = run(order, {**order["told"], "victim": victim.pid})
        found["victim"] = victim.poll() is None
        victim.kill()
    print(json.dumps(found))


def run(order: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Run the code in a fork of its own; return ``verdict`` and ``end``."""
    reader, writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        os.close(reader)
        os.setpgid(0, 0)
        child = os.fork()
        if child == 0:
            os.setpgid(0, 0)
            os.write(writer, json.dumps(act(order, told)).encode())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.write(writer, f"\n{os.waitstatus_to_exitcode(status)}".encode())
        os._exit(0)
    os.close(writer)
    said = listen(reader, order["limit_s"])
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    verdict, _, code = said.partition("\n")
    end = "timeout" if not said else f"signal {-int(code)}" if code.startswith("-") else "exit"
    return {"verdict": json.loads(verdict) if verdict else None, "end": end}


def listen(reader: int, limit_s: float) -> str:
    """Return what is written to the pipe until its end or the limit."""
    said = b""
    end = time.monotonic() + limit_s
    while select.select([reader], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(reader, 65536)
        if not piece:
            break
        said += piece
    os.close(reader)
    return said.decode()


def act(order: dict[str, Any], told: dict[str, Any]) -> Any:
    """Do what a plugin's process does: define, call as often as wanted, return the last."""
    module = types.ModuleType("plugin")
    exec(compile(order["code"], "plugin.py", "exec"), module.__dict__)
    work = pathlib.Path(tempfile.mkdtemp(dir=told["scratch"]))
    context = types.SimpleNamespace(work=work, path=work, log=lambda text: None)
    answer = None
    for _ in range(order["calls"]):
        answer = module.main(context, **told)
    return answer


if __name__ == "__main__":
    main()

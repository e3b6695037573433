"""Runs commands for the test, inside the machine; copied into its disk.

Reads one JSON object a line from a port of the machine and answers each by one:
``{"argv", "input", "limit_s"}`` by ``{"code", "out", "err"}``; the code is ``null`` when the
limit was reached. Debian's interpreter runs it; it imports the standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


def carry_out(order: dict[str, Any]) -> dict[str, Any]:
    """Run one command; return its answer."""
    try:
        done = subprocess.run(
            order["argv"],
            input=order["input"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=order["limit_s"],
            check=False,
            cwd="/",
            env=ENVIRONMENT,
        )
    except subprocess.TimeoutExpired:
        return {"code": None, "out": "", "err": f"not within {order['limit_s']} s"}
    except OSError as error:
        return {"code": 127, "out": "", "err": str(error)}
    return {"code": done.returncode, "out": done.stdout, "err": done.stderr}


def main(path: str) -> None:
    """Serve the port until the machine ends."""
    port = os.open(path, os.O_RDWR)
    with os.fdopen(os.dup(port), "rb") as orders:
        os.write(port, b'{"ready": true}\n')
        for line in orders:
            answer = json.dumps(carry_out(json.loads(line))).encode() + b"\n"
            while answer:
                answer = answer[os.write(port, answer) :]


if __name__ == "__main__":
    main(sys.argv[1])

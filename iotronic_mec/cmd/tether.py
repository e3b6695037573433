"""Runs a command that ends when the process that started it ends.

``python -I -S tether.py PARENT SIGNAL COMMAND…``: asks the kernel for SIGNAL at
the parent's death, becomes the leader of its own process group, and turns into
the command. Run as a file, standard library only, so that it costs a few
milliseconds. Source: prctl(2), PR_SET_PDEATHSIG.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    """Tie this process to its parent and become the command."""
    parent, number, command = int(argv[1]), int(argv[2]), argv[3:]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        # it died before we asked
        sys.exit(1)
    os.setsid()
    os.execvp(command[0], command)  # noqa: S606 - a list of arguments, no shell


if __name__ == "__main__":
    main(sys.argv)

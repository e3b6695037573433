"""What the exit code of a command says."""

from __future__ import annotations

DONE = 0
"""It was done."""

FAILED = 1
"""The cloud or a board refused, failed, or could not be reached."""

USAGE = 2
"""The command line is not right; nothing was sent."""

STILL_WAITING = 3
"""The time to wait was over; the request goes on."""

EPILOG = (
    "exit codes: 0 done; 1 the cloud or a board refused, failed or could not be reached; "
    "2 wrong usage, nothing was sent"
)

WAITING_EPILOG = f"{EPILOG}; 3 the time to wait was over, the request goes on"


class UsageError(Exception):
    """The command line, a file it names, or the environment is not right."""

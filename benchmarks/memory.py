"""Memory of processes as the kernel shares it out."""

from __future__ import annotations

from pathlib import Path


def pss_mib(pid: int) -> float:
    """Return a process's proportional set size, MiB.

    Source: Linux, Documentation/filesystems/proc.rst, smaps_rollup.
    """
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no Pss of process {pid}")

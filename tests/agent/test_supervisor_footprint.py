"""What the supervisor costs: its memory and what it imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.agent.supervised import Supervised

MAX_PSS_KB = 20 * 1024


def test_the_supervisor_stays_within_its_memory(supervised: Supervised) -> None:
    """After installations, calls and large results the supervisor has at most 20 MB (PSS)."""
    for number in range(8):
        supervised.run(f"def main(context):\n    return 'x' * 1000000 + '{number}'")

    rollup = Path(f"/proc/{supervised.process.pid}/smaps_rollup").read_text()

    (pss_kb,) = [int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")]
    print("supervisor PSS", pss_kb, "kB")
    assert pss_kb <= MAX_PSS_KB


def test_the_supervisor_imports_only_what_it_may() -> None:
    """Beside the standard library, only msgpack and the agent's own light parts are imported."""
    code = (
        "import sys, lightning_agent.supervisor.main\n"
        "tops = {name.partition('.')[0] for name in sys.modules}\n"
        "print(*sorted(tops - set(sys.stdlib_module_names) - {'__main__'}))"
    )

    found = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    ).stdout.split()

    ours = {"lightning_agent", "msgpack"}
    assert ours <= set(found)
    assert {name for name in found if name in ("twisted", "autobahn", "numpy", "PIL")} == set()

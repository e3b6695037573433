"""The commands in the documents work as they stand there.

Every page with tested blocks becomes one shell script, run in a namespace of its own:
its own loopback, so that default ports are free, and its own processes, so that
nothing is left over.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import docs_blocks
from tests.docs_blocks import Block, Command

PAGES = [
    page
    for page in docs_blocks.documents(Path(__file__).resolve().parents[2])
    if any(block.how is not None for block in docs_blocks.blocks(page.read_text()))
]

PATIENCE_S = 90
"""Longest wait for what a block waits for, seconds."""

PAGE_S = 400
"""Longest run of a whole page, seconds."""

PRELUDE = """\
set -u
wait_for() {  # until a command succeeds
    local end=$((SECONDS + $1)); shift
    until "$@"; do
        if ((SECONDS > end)); then return 1; fi
        sleep 0.3
    done
}
failed() { echo "FAILED: $1"; cat "$2" 2>/dev/null; exit 1; }
"""


@pytest.mark.e2e
@pytest.mark.timeout(PAGE_S + 30)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")
def test_the_commands_of_a_page_work(page: Path, repository: Path, tmp_path: Path) -> None:
    """Every tested block of the page ends as it says, and prints what it says."""
    bwrap = shutil.which("bwrap")
    assert bwrap is not None, "install bubblewrap"
    work = tmp_path / "work"
    work.mkdir()
    script = tmp_path / "page.sh"
    script.write_text(script_of(docs_blocks.blocks(page.read_text()), tmp_path, work))
    own_space = ["--dev-bind", "/", "/", "--proc", "/proc", "--unshare-net", "--unshare-pid"]

    done = subprocess.run(
        [bwrap, *own_space, "--die-with-parent", "--chdir", str(work), "bash", str(script)],
        capture_output=True,
        text=True,
        timeout=PAGE_S,
        check=False,
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "REPOSITORY": str(repository),
        },
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def script_of(blocks: list[Block], folder: Path, work: Path) -> str:
    """Return the shell script of a page; writes the page's files."""
    lines = [PRELUDE]
    for block in blocks:
        if block.file is not None:
            (work / block.file).write_text(block.text)
        if block.how is not None:
            for number, command in enumerate(block.commands):
                output = folder / f"{block.line}-{number}.out"
                lines += step(block.how, command, output)
    return "\n".join([*lines, "exit 0", ""])


def step(how: str, command: Command, output: Path) -> list[str]:
    """Return the lines that run one command and look at what it printed."""
    printed = shlex.quote(str(output))
    fail = f"failed {shlex.quote(command.text)} {printed}"
    check = looks(command, output)
    if how.startswith("terminal"):
        wait = f"wait_for {PATIENCE_S} {check}" if command.output else "sleep 1"
        return [f"{{ {command.text}\n}} >{printed} 2>&1 &", f"{wait} || {fail}"]
    if how == "until":
        body = f"{{ {command.text}\n}} >{printed} 2>&1 && {check}"
        return [f"again() {{ {body}; }}", f"wait_for {PATIENCE_S} again || {fail}"]
    wanted = "&& " if how == "fails" else "|| "
    return [f"{{ {command.text}\n}} >{printed} 2>&1 {wanted}{fail}", f"{check} || {fail}"]


def looks(command: Command, output: Path) -> str:
    """Return the command that compares what was printed with what should be."""
    if not command.output:
        return "true"
    check = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from tests.docs_blocks import is_in;"
        "sys.exit(not is_in(tuple(sys.argv[3:]), Path(sys.argv[2]).read_text()))"
    )
    root = str(Path(__file__).resolve().parents[2])
    return shlex.join([sys.executable, "-c", check, root, str(output), *command.output])

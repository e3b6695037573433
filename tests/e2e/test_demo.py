"""A1, A2: the demonstration does the main job and ends as it should."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.cloud import processes_of


@pytest.mark.timeout(180)
def test_demo_once_recognises_443_of_450(repository: Path, tmp_path: Path) -> None:
    """The demonstration ends with 0, names the accuracy and leaves no process."""
    command = [sys.executable, "-m", "demo.run", "--once", "--state-dir", str(tmp_path / "d")]

    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "accuracy: 443 of 450" in done.stdout
    assert processes_of(str(tmp_path)) == {}

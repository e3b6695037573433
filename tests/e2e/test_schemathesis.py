"""A10, B8: requests made from our OpenAPI get documented answers, and never a 5xx.

``IOT_FUZZ_SEED`` repeats a run, whose seed is printed; ``IOT_FUZZ_CASES`` is how
many requests there are at least (2,000 by default; 10,000 by hand).
"""

from __future__ import annotations

import os
import random
import re
import subprocess
from pathlib import Path

import pytest

from iotronic_mec.sdk import NewBoard, NewPlugin
from tests import side_environment
from tests.e2e.cloud import Cloud

CASES = int(os.environ.get("IOT_FUZZ_CASES", "2000"))
SEED = int(os.environ.get("IOT_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
CHECKS = ",".join(
    (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
)
OPERATIONS = 90
"""Fewer than there are; the number of examples for each follows from it."""

LIMIT_S = 3000


@pytest.mark.timeout(LIMIT_S + 120)
def test_no_server_error_and_no_undocumented_answer(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 2,000 generated requests over all routes, as the administrator."""
    cloud.client.boards.create(NewBoard(name="fuzzed"))
    source = b"def main(context):\n    return 1\n"
    cloud.client.plugins.create(NewPlugin(name="fuzzed", filename="f.py", content=source))
    program = side_environment.executable("schemathesis", "schemathesis")
    command = [str(program), "--no-color", "run", f"{cloud.url}/v1/openapi.json"]
    command += ["--url", cloud.url, "--header", f"X-Auth-Token:{cloud.token}"]
    command += ["--checks", CHECKS, "--phases", "examples,fuzzing", "--seed", str(SEED)]
    command += ["--max-examples", str(CASES // OPERATIONS + 2), "--no-shrink"]
    command += ["--continue-on-failure", "--request-timeout", "70", "--warnings", "off"]
    command += ["--generation-database", "none"]

    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=LIMIT_S
    )

    cases = re.search(r"(\d[\d,]*) generated", done.stdout)
    with capsys.disabled():
        told = cases.group() if cases else "no count"
        print(f"\nschemathesis: seed {SEED}, {told}")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert cases is not None, done.stdout[-2000:]
    assert int(cases.group(1).replace(",", "")) >= CASES

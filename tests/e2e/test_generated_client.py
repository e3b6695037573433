"""A client that a kept generator makes from our OpenAPI works, and lacks no route."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path

import pytest

from tests import side_environment
from tests.e2e.cloud import Cloud

SCRIPT = Path(__file__).with_name("generated_client.py")


@pytest.mark.e2e
@pytest.mark.timeout(side_environment.INSTALL_TIMEOUT_S + 120)
def test_a_generated_client_works(cloud: Cloud, tmp_path: Path) -> None:
    """Every route is generated; boards are made, listed, shown, changed and deleted by it."""
    with urllib.request.urlopen(f"{cloud.url}/v1/openapi.json", timeout=30) as answer:
        document = answer.read()
    (tmp_path / "openapi.json").write_bytes(document)
    (tmp_path / "config.yaml").write_text("post_hooks: []\n", encoding="utf-8")
    generator = side_environment.executable("openapi", "openapi-python-client")
    command = [str(generator), "generate", "--path", "openapi.json", "--meta", "none"]
    command += ["--output-path", "generated", "--config", "config.yaml"]

    generated = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120
    )

    told = generated.stdout + generated.stderr
    assert generated.returncode == 0, told[-3000:]
    assert "will not be generated" not in told, told[:3000]
    routes = sum(
        method in ("get", "post", "put", "patch", "delete")
        for path in json.loads(document)["paths"].values()
        for method in path
    )
    modules = list((tmp_path / "generated" / "api").glob("*/[!_]*.py"))
    assert len(modules) == routes

    done = subprocess.run(
        [str(generator.with_name("python")), str(SCRIPT), cloud.url, cloud.token],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == {
        "made": "generated",
        "again": "iot.board.exists",
        "listed": ["generated"],
        "shown": True,
        "changed": "gateway",
        "deleted": True,
        "gone": True,
    }

"""`iotronic-mec standalone` as an operator meets it: start, refusals, stop, start again."""

from __future__ import annotations

import stat
import subprocess
import time
from pathlib import Path

import pytest

from demo.processes import script
from iotronic_mec.sdk import Client
from iotronic_mec.sdk.errors import Unauthenticated
from tests.e2e.cloud import Cloud, processes_of

pytestmark = pytest.mark.timeout(180)

STOP_LIMIT_S = 5.0
"""All children have ended so long after SIGTERM, seconds: issue A."""


def mec(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``iotronic-mec`` to its end."""
    return subprocess.run(
        [script("iotronic-mec"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def standalone(state_dir: Path, cloud: Cloud, *more: str) -> subprocess.CompletedProcess[str]:
    """Try to start a further cloud on the ports of another."""
    control, content, wamp = (str(port) for port in cloud.ports)
    return mec(
        *("standalone", "--state-dir", str(state_dir), "--port", control),
        *("--content-port", content, "--wamp-port", wamp, *more),
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a refusal."""
    assert done.returncode != 0
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def board(cloud: Cloud) -> str:
    """Give a board that is online."""
    return cloud.make_board("steady")


@pytest.mark.parametrize("name", ["clouds.yaml", "openrc", "secret.key", "iotronic.sqlite"])
def test_secrets_are_for_the_owner_only(cloud: Cloud, name: str) -> None:
    """What the first start makes is readable by nobody else."""
    mode = stat.S_IMODE((cloud.state_dir / name).stat().st_mode)

    assert mode == 0o600
    assert stat.S_IMODE(cloud.state_dir.stat().st_mode) == 0o700


def test_a_second_cloud_on_the_same_folder_is_refused(cloud: Cloud) -> None:
    """Two would write one database."""
    told = one_line(standalone(cloud.state_dir, cloud))

    assert "another" in told and str(cloud.state_dir) in told


def test_a_port_in_use_is_named(cloud: Cloud, tmp_path: Path) -> None:
    """The line says which option chooses another port."""
    told = one_line(standalone(tmp_path / "other", cloud))

    assert str(cloud.ports[0]) in told and "--port" in told


def test_an_open_listener_without_a_certificate_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    """Tokens and codes never cross a network in clear text."""
    told = one_line(standalone(tmp_path / "open", cloud, "--host", "0.0.0.0"))

    assert "--cert" in told


def test_a_folder_that_cannot_be_used_is_named(cloud: Cloud, tmp_path: Path) -> None:
    """A file where the folder should be."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    told = one_line(standalone(tmp_path / "file", cloud))

    assert "--state-dir" in told


def test_the_database_is_the_conductors_while_it_runs(cloud: Cloud) -> None:
    """`db upgrade` refuses, `user list` goes through the conductor."""
    refused = mec("db", "upgrade", "--state-dir", str(cloud.state_dir))
    users = mec("user", "list", "--json", "--state-dir", str(cloud.state_dir))

    assert "running" in one_line(refused)
    assert users.returncode == 0 and '"admin"' in users.stdout


def test_user_says_when_the_cloud_is_not_running(tmp_path: Path) -> None:
    """And how to start it."""
    told = one_line(mec("user", "list", "--state-dir", str(tmp_path)))

    assert "not running" in told and "standalone" in told


def test_a_revoked_token_is_worth_nothing_at_once(cloud: Cloud) -> None:
    """Control: it opens the list before."""
    made = cloud.client.tokens.create({"name": "short-lived"})
    assert made.secret is not None
    opened = Client.with_token(cloud.url, made.secret)
    before = opened.whoami()

    cloud.client.tokens.delete(made.uuid)

    assert before.name == "admin"
    with pytest.raises(Unauthenticated):
        opened.whoami()


def test_sigterm_ends_all_and_a_second_start_resumes(cloud: Cloud, board: str) -> None:
    """Children are gone in time; boards come back without being restarted."""
    agent = cloud.agent_pids("steady")
    echoed = cloud.client.boards.echo(board, "before").request
    since = time.monotonic()

    cloud.end_front()
    took = time.monotonic() - since
    left = processes_of(str(cloud.state_dir))
    cloud.start()
    cloud.wait_online(board)

    assert took < STOP_LIMIT_S
    assert left == {}
    assert cloud.agent_pids("steady") == agent
    assert echoed in {request.uuid for request in cloud.client.requests.iterate()}
    assert "after" in cloud.client.boards.echo(board, "after").text

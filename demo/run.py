"""The main job, from nothing to a camera's pictures recognised on a board.

Starts the whole cloud on embedded defaults and one lightning agent, each as a
process of its own, and does over the public interfaces what a user would do.
``tox -e demo`` runs it and leaves it running until Ctrl-C; ``tox -e demo --
--once`` ends with 0, or with 1 and the reason.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import requests

from demo.processes import DemoFailed, Processes, choose_ports, is_free
from iotronic_mec.sdk import Client, Error, NewBoard, NewPlugin, Target

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "digits_camera"
BOARD = "demo-board"
PLUGIN = "digits-camera"
EXPECTED = 443
"""Pictures of the 450 that the models recognise; see examples/digits_camera."""

READY_S = 90.0
"""Longest wait for the cloud, seconds: a Raspberry Pi's first start is slow."""

ONLINE_S = 60.0
"""Longest wait for the board, seconds."""


def main(argv: list[str] | None = None) -> int:
    """Run the demonstration; return the exit code."""
    given = _arguments(argv)
    folder = given.state_dir or Path(tempfile.mkdtemp(prefix="iotronic-demo-"))
    folder = folder.absolute()
    signal.signal(signal.SIGTERM, _interrupt)
    processes = Processes(folder)
    try:
        cloud = _start_cloud(processes, folder, given.host)
        _do_the_main_job(processes, cloud, folder)
        _tell_urls(cloud, folder)
        if not given.once:
            _stay(processes)
        return 0
    except KeyboardInterrupt:
        say("stopping")
        return 0
    except DemoFailed as error:
        print(f"\nThe demonstration failed: {error}\nLogs: {folder}", file=sys.stderr)
        given.keep = True
        return 1
    except (Error, requests.RequestException) as error:
        print(f"\nThe cloud refused: {error}\nLogs: {folder}", file=sys.stderr)
        given.keep = True
        return 1
    finally:
        processes.stop()
        if given.state_dir is None and not given.keep:
            shutil.rmtree(folder, ignore_errors=True)


def say(text: str) -> None:
    """Print one line at once."""
    print(text, flush=True)


def step(number: int, text: str) -> float:
    """Announce a step; return when it began."""
    print(f"[{number}/7] {text} … ", end="", flush=True)
    return time.monotonic()


def done(since: float, text: str = "done") -> None:
    """Say how a step ended, and after how long."""
    say(f"{text} ({time.monotonic() - since:.1f} s)")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tox -e demo --", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the main job")
    parser.add_argument("--state-dir", type=Path, help="keep the state here (default: temporary)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary state at the end")
    parser.add_argument("--host", default="127.0.0.1", help=argparse.SUPPRESS)
    return parser.parse_args(argv)


def _start_cloud(processes: Processes, folder: Path, host: str) -> dict[str, Any]:
    is_new = not (folder / "cloud").exists()
    ports = choose_ports(host)
    since = step(1, "starting the cloud: router, API, conductor, database")
    try:
        processes.start_cloud(folder / "cloud", host, ports, READY_S)
    except DemoFailed:
        processes.stop()
        if not is_new or all(is_free(host, port) for port in ports):
            raise
        # between choosing a port and the router's start some seconds go by
        print("a port was taken meanwhile, choosing others … ", end="", flush=True)
        shutil.rmtree(folder / "cloud")
        ports = choose_ports(host)
        processes.start_cloud(folder / "cloud", host, ports, READY_S)
    done(since, "ready")
    text = (folder / "cloud" / "openrc").read_text(encoding="utf-8")
    lines = (line.removeprefix("export ").partition("=") for line in text.splitlines())
    settings = {name: shlex.split(value)[0] for name, _, value in lines if value}
    return {"url": settings["IOTRONIC_URL"], "token": settings["OS_AUTH_TOKEN"], "ports": ports}


def _do_the_main_job(processes: Processes, cloud: dict[str, Any], folder: Path) -> None:
    client = Client.with_token(cloud["url"], cloud["token"])
    since = step(2, f"creating the board {BOARD!r} by REST")
    board = client.boards.create(NewBoard(name=BOARD, type="demo", labels={"place": "desk"}))
    if board.code is None or board.enrol_url is None:
        raise DemoFailed("the cloud gave no enrolment code")
    done(since, f"code {board.code}")

    since = step(3, "enrolling the lightning agent with the code, and starting it")
    agent_dir = folder / "board"
    processes.enrol(agent_dir, board.code, board.enrol_url)
    camera = f'[camera.default]\nsource = "file"\npath = {json.dumps(str(EXAMPLE / "pictures"))}\n'
    with (agent_dir / "agent.toml").open("a", encoding="utf-8") as file:
        file.write(f"\n{camera}")
    processes.start_agent(agent_dir)
    _wait_online(client, board.uuid)
    done(since, "online")

    since = step(4, "uploading the camera plugin by REST")
    bundle = example_bundle()
    plugin = client.plugins.create(
        NewPlugin(name=PLUGIN, filename=f"{PLUGIN}.zip", content=bundle, callable=True)
    )
    done(since, f"{len(bundle):,} bytes")

    since = step(5, "injecting it on the board")
    target = Target(board=board.uuid, plugin=plugin.uuid)
    client.injections.inject(target)
    done(since)

    since = step(6, "calling it: 450 pictures from the camera, inference in the sandbox")
    result = client.injections.call(target, {"model": "int8"}).value
    done(since)
    _show(result)


def _wait_online(client: Client, board: str) -> None:
    end = time.monotonic() + ONLINE_S
    while time.monotonic() < end:
        if client.boards.get(board).status == "online":
            return
        time.sleep(0.2)
    reasons = client.boards.explain(board).reasons
    told = "; ".join(f"{reason.text}: {reason.cure}" for reason in reasons)
    raise DemoFailed(f"the board is not online after {ONLINE_S:.0f} s: {told}")


def example_bundle() -> bytes:
    """Return the bundle of the example, made by its own script."""
    spec = importlib.util.spec_from_file_location("make_bundle", EXAMPLE / "make_bundle.py")
    if spec is None or spec.loader is None:
        raise DemoFailed(f"{EXAMPLE} is not whole")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    packed: bytes = module.make_bundle(EXAMPLE)
    return packed


def _show(result: Any) -> None:
    """Print what was recognised; fail when it is fewer than expected."""
    labels = json.loads((EXAMPLE / "labels.json").read_text(encoding="utf-8"))
    if not isinstance(result, dict) or "frames" not in result:
        raise DemoFailed(f"the plugin answered {str(result)[:200]}")
    frames = result["frames"]
    total: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for frame in frames:
        truth = str(labels[frame["name"]])
        total[truth] += 1
        right[truth] += frame["label"] == truth
    say(f"\n[7/7] the first of {len(frames)} answers, and the accuracy\n")
    say("  picture   label  score   latency")
    for frame in frames[:5]:
        say(
            f"  {frame['name']:<9} {frame['label']:>5}  {frame['score']:.3f}"
            f"  {frame['latency_ms']:.3f} ms"
        )
    say("\n  digit  right  of")
    for digit in sorted(total):
        say(f"  {digit:>5}  {right[digit]:>5}  {total[digit]:>3}")
    count = sum(right.values())
    say(
        f"\n  accuracy: {count} of {len(frames)} = {100 * count / max(1, len(frames)):.2f} %"
        f" (expected {EXPECTED} of 450); mean latency {result['mean_latency_ms']:.3f} ms\n"
    )
    if count != EXPECTED or len(frames) != 450:
        raise DemoFailed(f"{count} of {len(frames)} pictures were right, not {EXPECTED} of 450")


def _tell_urls(cloud: dict[str, Any], folder: Path) -> None:
    openrc = folder / "cloud" / "openrc"
    say("Look at:")
    say(f"  {cloud['url']}/docs               the REST API, to read")
    say(f"  {cloud['url']}/v1/openapi.json    the same for programs")
    say(f"  {cloud['url']}/healthcheck        whether it serves")
    iot = Path(sys.executable).with_name("iot")
    say(f"  source {openrc} && {iot} board list")


def _stay(processes: Processes) -> None:
    say("\nEverything stays up until Ctrl-C.")
    while True:
        time.sleep(1)
        ended = processes.ended()
        if ended is not None:
            raise DemoFailed(f"{ended} ended by itself")


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        code = main()
    except subprocess.SubprocessError as failure:
        print(f"The demonstration failed: {failure}", file=sys.stderr)
        code = 1
    sys.exit(code)

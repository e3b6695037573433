"""``lightning-agent doctor``: what this board can do, and the cure for what it cannot.

Blocking, without a reactor: it must work where the agent itself cannot start.
The sandbox is tried by the supervisor; when none runs, one is started for it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_agent import conf as conf_module
from lightning_agent.conf import FILE_NAME, Conf, ConfRefused, default_state_dir
from lightning_agent.errors import Error
from lightning_agent.missing import cure, missing
from lightning_agent.owner import ABILITIES, PACKAGE
from lightning_agent.session.reach import CannotReach, reach
from lightning_agent.state.files import become_owner
from lightning_agent.state.identity import BoardKey, Identity, find_identity
from lightning_agent.supervisor.client import connect, launch, listens

SUPERVISOR_LIMIT_S = 15.0
PROBE_LIMIT_S = 60.0
MIN_FREE_BYTES = 100 * 1024 * 1024
"""Room for the agent's own files and one bundle."""

REFUSE = "refuse"
"""The level at which no tenant's code runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing looked at. ``cure`` says what to do and is empty when it is well."""

    name: str
    ok: bool
    detail: str
    cure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All checks, and how well tenants' code is confined: ``standard`` or ``refuse``."""

    level: str
    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing needs a cure."""
        return self.level != REFUSE and all(check.ok for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "ok": self.is_well,
            "level": self.level,
            "checks": [asdict(check) for check in self.checks],
        }


def main(arguments: Sequence[str]) -> int:
    """Print the diagnosis; return 0 when all is well, else 1."""
    options = _parser().parse_args(arguments)
    become_owner(options.state_dir)
    diagnosis = diagnose(options.state_dir)
    if options.json:
        sys.stdout.write(json.dumps(diagnosis.to_json(), indent=1) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(diagnosis)) + "\n")
    return 0 if diagnosis.is_well else 1


def diagnose(state_dir: Path) -> Diagnosis:
    """Look at everything; blocks for up to about a minute."""
    try:
        conf = conf_module.load(state_dir)
    except ConfRefused as error:
        check = Check(name="settings", ok=False, detail=str(error), cure=f"mend {FILE_NAME}")
        return Diagnosis(level=REFUSE, checks=(check,))
    level, sandbox = check_sandbox(state_dir)
    identity, enrolled = check_identity(state_dir)
    checks = (
        check_disk(state_dir),
        check_camera(state_dir),
        check_inference(),
        *sandbox,
        check_owner(conf),
        enrolled,
        check_cloud(conf, identity),
    )
    return Diagnosis(level=level, checks=tuple(_once(checks)))


def check_disk(state_dir: Path) -> Check:
    """See whether the state directory can be written and has room."""
    if not os.access(state_dir, os.W_OK | os.X_OK):
        return Check(
            name="disk",
            ok=False,
            detail=f"{state_dir} may not be written",
            cure="give it to the agent's user, or choose another --state-dir",
        )
    free = shutil.disk_usage(state_dir).free
    detail = f"{free // (1024 * 1024)} MiB free in {state_dir}"
    if free < MIN_FREE_BYTES:
        return Check(name="disk", ok=False, detail=detail, cure="make room on the disk")
    return Check(name="disk", ok=True, detail=detail)


def check_sandbox(state_dir: Path) -> tuple[str, list[Check]]:
    """Have the supervisor try a sandbox; return the level and its checks."""
    started = None
    try:
        if not listens(state_dir):
            started = launch(state_dir, log=state_dir / "supervisor.log")
        with connect(state_dir, timeout_s=SUPERVISOR_LIMIT_S) as supervisor:
            found = supervisor.request("probe", timeout_s=PROBE_LIMIT_S)
            if started is not None and started.poll() is None:
                # ours: had another one been there, it would have ended at once
                supervisor.send("shutdown")
    except Error as error:
        return REFUSE, [
            Check(
                name="supervisor",
                ok=False,
                detail=error.message,
                cure=f"read {state_dir / 'supervisor.log'}",
            )
        ]
    finally:
        if started is not None:
            _end(started)
    checks = [
        Check(
            name=str(wire["name"]),
            ok=bool(wire["ok"]),
            detail=str(wire["detail"]),
            cure="" if wire["ok"] else str(wire["cure"]),
        )
        for wire in found["checks"]
    ]
    return str(found["level"]), checks


def check_camera(state_dir: Path) -> Check:
    """See whether pictures can be read and whether each camera's folder is there."""
    lacking = missing("camera")
    if lacking:
        detail = f"not installed: {', '.join(lacking)}"
        return Check(name="camera", ok=False, detail=detail, cure=cure("camera"))
    cameras = _cameras(state_dir)
    absent = [
        str(settings["path"])
        for settings in cameras.values()
        if isinstance(settings, dict)
        and "path" in settings
        and not Path(str(settings["path"])).exists()
    ]
    if absent:
        return Check(
            name="camera",
            ok=False,
            detail=f"not there: {', '.join(absent)}",
            cure=f"mend [camera.…] in {state_dir / FILE_NAME}",
        )
    names = ", ".join(sorted(cameras)) or f"none; add [camera.default] to {state_dir / FILE_NAME}"
    return Check(name="camera", ok=True, detail=f"configured: {names}")


def check_inference() -> Check:
    """See whether there is an engine for models."""
    lacking = missing("inference")
    if lacking:
        detail = f"not installed: {', '.join(lacking)}"
        return Check(name="inference", ok=False, detail=detail, cure=cure("inference"))
    return Check(name="inference", ok=True, detail="an engine for TensorFlow Lite models is there")


def check_owner(conf: Conf) -> Check:
    """Tell what users of the cloud may do with the board itself."""
    owner = conf.owner
    allowed = [name for name in ABILITIES if name in owner.allow]
    others = [name for name in ABILITIES if name not in owner.allow]
    detail = f"allowed: {', '.join(allowed) or 'nothing'}"
    if PACKAGE in owner.allow:
        detail += f" ({', '.join(sorted(owner.package_managers)) or 'no package manager'})"
    if others:
        detail += f"; not allowed: {', '.join(others)} (allow in [device] of {FILE_NAME})"
    return Check(name="device", ok=True, detail=detail)


def check_identity(state_dir: Path) -> tuple[Identity | None, Check]:
    """See whether the board is enrolled and has its key."""
    enrol = "create a board in the cloud, then: lightning-agent enrol CODE URL"
    try:
        identity = find_identity(state_dir)
        if identity is None:
            return None, Check(name="identity", ok=False, detail="not enrolled", cure=enrol)
        BoardKey.load(state_dir)
    except Error as error:
        return None, Check(name="identity", ok=False, detail=error.message, cure=enrol)
    detail = f"board {identity.board} ({identity.name})"
    return identity, Check(name="identity", ok=True, detail=detail)


def check_cloud(conf: Conf, identity: Identity | None) -> Check:
    """See whether the cloud's address leads to a WAMP router, with TLS as the agent would."""
    url = conf.cloud.url or (identity.url if identity is not None else None)
    if url is None:
        return Check(name="cloud", ok=False, detail="no address", cure="enrol this board")
    try:
        reach(url, conf.cloud.ca)
    except CannotReach as error:
        return Check(name="cloud", ok=False, detail=f"{url}: {error.message}", cure=error.cure)
    return Check(name="cloud", ok=True, detail=f"{url} answers")


def _end(process: Any) -> None:
    process.terminate()
    process.wait(SUPERVISOR_LIMIT_S)


def _cameras(state_dir: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads((state_dir / FILE_NAME).read_text(encoding="utf-8"))
    except OSError:
        return {}
    cameras = tables.get("camera", {})
    return cameras if isinstance(cameras, dict) else {}


def _once(checks: Iterable[Check]) -> list[Check]:
    """Drop a later check of a name seen before: the supervisor looks at the extras too."""
    found: dict[str, Check] = {}
    for check in checks:
        known = found.setdefault(check.name, check)
        if known.ok and not check.ok:
            found[check.name] = check
    return list(found.values())


def _lines(diagnosis: Diagnosis) -> list[str]:
    lines = []
    for check in diagnosis.checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
        if check.cure:
            lines.append(f"      cure: {check.cure}")
    return [*lines, f"level: {diagnosis.level}"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lightning-agent doctor",
        description="Check what this board can do: sandbox, camera, inference, identity, cloud. "
        "Prints the cure for each failing check.",
        epilog="exit codes: 0 all is well, 1 something needs a cure",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--state-dir",
        type=Path,
        default=default_state_dir(),
        metavar="DIR",
        help="where the agent keeps key, identity and plugins (%(default)s)",
    )
    return parser

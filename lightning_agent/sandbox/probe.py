"""Try whether tenants' code can be confined here, and say what to do if not.

Nothing is concluded from versions or settings: a trivial sandbox is started, and what it could and
could not do is looked at.  Settings are read only to name the cure.  Used by the supervisor at its
start and by ``doctor``.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lightning_agent.missing import cure, missing
from lightning_agent.sandbox import seccomp
from lightning_agent.sandbox.launcher import Launcher, Mode, find_bwrap, find_setpriv, kill
from lightning_agent.sandbox.profile import Profile, find_interpreter

LOG = logging.getLogger(__name__)

LEVEL_BASIC = "basic"
"""Namespaces, read-only view, resource limits, filter of system calls; no limit for a tenant's
memory as a whole."""

LEVEL_REFUSE = "refuse"
"""Tenants' code does not run here."""

TRIAL_TIMEOUT_S = 10.0
"""Seconds one trial sandbox may take.  Chosen here: 100 times what a slow board needs."""

_TRIAL = """
import ctypes, json, os, resource, socket, sys
def refused(action):
    try:
        action()
    except OSError:
        return True
    return False
def interfaces():
    try:
        return [name for _, name in socket.if_nameindex()]
    except OSError:
        return []  # the filter lets no socket be made to ask
print(json.dumps({
    "interfaces": interfaces(),
    "root": refused(lambda: open("/trial", "w")),
    "work": not refused(lambda: open("/job/trial", "w")),
    "shadow": refused(lambda: open("/etc/shadow")),
    "environment": sorted(os.environ),
    "filtered": ctypes.CDLL(None).prctl(21, 0, 0, 0, 0) == 2,
}))
"""

_INSTALL_BWRAP = "sudo apt-get install -y bubblewrap"
_SETTINGS = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone",
        "0",
        "sudo sysctl -w kernel.unprivileged_userns_clone=1",
    ),
    (
        "/proc/sys/user/max_user_namespaces",
        "0",
        "sudo sysctl -w user.max_user_namespaces=15000",
    ),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo apt-get install -y apparmor-profiles, or "
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)
_GENERAL_CURE = (
    "let the kernel make user namespaces for this user; inside a container allow nested ones, and "
    "enter a root folder by systemd-nspawn rather than chroot"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was tried.

    :param needed: without it nothing runs; otherwise only a part of the abilities is lost
    :param cure: what to do about it; empty when it is good
    """

    name: str
    ok: bool
    detail: str
    cure: str = ""
    needed: bool = True

    def to_wire(self) -> dict[str, object]:
        """Return the check as ``doctor`` shows it."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "cure": self.cure}


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What the probe found; ``launcher`` is ``None`` exactly when the level is ``refuse``."""

    launcher: Launcher | None
    checks: tuple[Check, ...]

    @property
    def level(self) -> str:
        """The level of the sandbox: ``"basic"`` or ``"refuse"``."""
        return LEVEL_REFUSE if self.launcher is None else LEVEL_BASIC

    @property
    def reasons(self) -> list[str]:
        """What is wrong, each with its cure, the needed first."""
        failed = [check for check in self.checks if not check.ok]
        failed.sort(key=lambda check: not check.needed)
        return [f"{check.name}: {check.detail}; {check.cure}" for check in failed]


def probe(
    find_program: Callable[[], str | None] = find_bwrap,
    settings: tuple[tuple[str, str, str], ...] = _SETTINGS,
) -> Findings:
    """Try the sandbox and look for the optional extras.

    :param find_program: how bubblewrap is found; tests give another one
    :param settings: files of kernel settings that are known to forbid it, the value that does, and
        the cure

    Blocks up to a few times :data:`TRIAL_TIMEOUT_S`; any thread.
    """
    bwrap = find_program()
    if bwrap is None:
        check = Check(name="bubblewrap", ok=False, detail="not installed", cure=_INSTALL_BWRAP)
        return Findings(launcher=None, checks=(check, *_extras()))
    launcher, trial = _try_modes(bwrap, settings)
    found = Check(name="bubblewrap", ok=True, detail=bwrap)
    return Findings(launcher=launcher, checks=(found, *trial, *_extras()))


def _try_modes(
    bwrap: str, settings: tuple[tuple[str, str, str], ...]
) -> tuple[Launcher | None, tuple[Check, ...]]:
    problem = "user namespaces are refused"
    for launcher in _candidates(bwrap):
        problem = _try(launcher)
        if not problem:
            return launcher, (_confined(launcher), _filtered(), _separated(launcher))
        LOG.info("a sandbox in mode %s does not work: %s", launcher.mode.value, problem)
    check = Check(name="namespaces", ok=False, detail=problem, cure=_find_cure(settings))
    return None, (check,)


def _candidates(bwrap: str) -> list[Launcher]:
    """Return the ways to enter a sandbox, the strongest first."""
    interpreter = find_interpreter()
    setpriv = find_setpriv() if os.geteuid() == 0 else None
    modes = [Mode.SAME_UID] if setpriv is None else [Mode.SEPARATE_UID, Mode.SAME_UID]
    return [
        Launcher(
            bwrap=bwrap,
            setpriv=setpriv if mode is Mode.SEPARATE_UID else None,
            interpreter=interpreter,
            mode=mode,
            disable_userns=disable,
        )
        for mode in modes
        for disable in (True, False)
    ]


def _try(launcher: Launcher) -> str:
    """Run the trial in a sandbox; return what is wrong with it, or nothing."""
    try:
        process = launcher.start(
            Profile(owner="probe"),
            ["-c", _TRIAL],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as error:
        return str(error)
    try:
        answer, complaint = process.communicate(timeout=TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        kill(process)
        process.communicate()
        return f"the trial sandbox did not end within {TRIAL_TIMEOUT_S:.0f} s"
    if process.returncode != 0:
        return complaint.decode(errors="replace").strip()[-500:] or "the trial sandbox failed"
    return _judge(answer)


def _judge(answer: bytes) -> str:
    try:
        facts = json.loads(answer)
        open_doors = [
            *(["a network interface"] if set(facts["interfaces"]) - {"lo"} else []),
            *([] if facts["root"] else ["a writable root"]),
            *([] if facts["shadow"] else ["/etc/shadow"]),
            *([] if facts["work"] else ["a work folder that cannot be written"]),
            *([] if facts["filtered"] or not filterable() else ["no filter of system calls"]),
        ]
    except (ValueError, KeyError, TypeError):
        return "the trial sandbox gave no answer"
    return f"the trial sandbox has {', '.join(open_doors)}" if open_doors else ""


def _confined(launcher: Launcher) -> Check:
    further = "" if launcher.disable_userns else "; bubblewrap cannot forbid further namespaces"
    return Check(
        name="namespaces",
        ok=True,
        detail=f"a trial ran without network, with a read-only view{further}",
    )


def filterable() -> bool:
    """Return whether there is a filter of system calls for this machine."""
    return seccomp.build_filter() is not None


def _filtered() -> Check:
    if filterable():
        return Check(name="system calls", ok=True, detail="filtered", needed=False)
    return Check(
        name="system calls",
        ok=False,
        detail=f"there is no filter for {platform.machine()}",
        cure="use a kernel for x86_64, aarch64 or armv7l",
        needed=False,
    )


def _separated(launcher: Launcher) -> Check:
    if launcher.mode is Mode.SEPARATE_UID:
        detail = "the code of each plugin has a uid of its own"
        return Check(name="separate uid", ok=True, detail=detail, needed=False)
    if os.geteuid() != 0:
        detail = "all plugins share this user; they are separated by namespaces alone"
        return Check(name="separate uid", ok=True, detail=detail, needed=False)
    return Check(
        name="separate uid",
        ok=False,
        detail="tenants' code cannot get another uid than root's here",
        cure="sudo apt-get install -y util-linux, or run the agent as an ordinary user",
        needed=False,
    )


def _find_cure(settings: tuple[tuple[str, str, str], ...]) -> str:
    for path, forbids, command in settings:
        try:
            value = Path(path).read_text(encoding="ascii").strip()
        except OSError:
            continue
        if value == forbids:
            return command
    return _GENERAL_CURE


def _extras() -> tuple[Check, ...]:
    return tuple(_extra(name) for name in ("camera", "inference"))


def _extra(name: str) -> Check:
    absent = missing(name)
    if absent:
        detail = f"missing: {', '.join(absent)}"
        return Check(name=name, ok=False, detail=detail, cure=cure(name), needed=False)
    return Check(name=name, ok=True, detail="installed", needed=False)

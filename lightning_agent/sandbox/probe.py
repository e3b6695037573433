"""Try whether tenants' code can be confined here, and say what to do if not.

Nothing is concluded from versions or settings: a trivial sandbox is started, and what it could and
could not do is looked at.  Settings are read only to name the cure.  Used by the supervisor at its
start and by ``doctor``.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from lightning_agent.missing import cure, missing
from lightning_agent.sandbox.launcher import Launcher, Mode, find_bwrap, find_setpriv, kill
from lightning_agent.sandbox.profile import AGENT_PATH, Profile, find_interpreter
from lightning_agent.sandbox.seccomp import FilterUnavailable, build

LOG = logging.getLogger(__name__)

LEVEL_STANDARD = "standard"
"""Namespaces, read-only view, filter of system calls and resource limits of each process."""

LEVEL_REFUSE = "refuse"
"""Tenants' code does not run here."""

TRIAL_TIMEOUT_S = 10.0
"""Seconds one trial sandbox may take.  Chosen here: 100 times what a slow board needs."""

_TRIAL = (
    f"import sys; sys.path.insert(0, {AGENT_PATH!r}); "
    "from lightning_agent.sandbox.trial import main; main(sys.argv[1:])"
)
_DOORS = {
    "root": "a writable root",
    "shadow": "/etc/shadow",
    "work": "a work folder that cannot be written",
    "internet": "sockets of the internet",
    "unshare": "further user namespaces",
    "privileges": "capabilities",
    "filter": "no filter of system calls",
}
"""What the trial must find true, and what the sandbox has otherwise."""

_INSTALL_BWRAP = "sudo apt-get install -y bubblewrap"
_INSTALL_SECCOMP = "sudo apt-get install -y libseccomp2; pip install 'iotronic-mec[agent]'"
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
    """What the probe found; ``launcher`` is ``None`` exactly when the level is ``refuse``.

    :param landlock: whether the owner wants Landlock where the kernel has it
    """

    launcher: Launcher | None
    checks: tuple[Check, ...]
    landlock: bool = True

    @property
    def level(self) -> str:
        """The level of the sandbox: ``"standard"`` or ``"refuse"``."""
        return LEVEL_REFUSE if self.launcher is None else LEVEL_STANDARD

    @property
    def reasons(self) -> list[str]:
        """What is wrong, each with its cure, the needed first."""
        failed = [check for check in self.checks if not check.ok]
        failed.sort(key=lambda check: not check.needed)
        return [f"{check.name}: {check.detail}; {check.cure}" for check in failed]


def probe(
    find_program: Callable[[], str | None] = find_bwrap,
    settings: tuple[tuple[str, str, str], ...] = _SETTINGS,
    build_filter: Callable[[], bytes] = build,
    *,
    landlock: bool = True,
) -> Findings:
    """Try the sandbox and look for the optional extras.

    :param find_program: how bubblewrap is found; tests give another one
    :param settings: files of kernel settings that are known to forbid it, the value that does, and
        the cure
    :param build_filter: how the filter of system calls is made; tests give another way
    :param landlock: use it where the kernel has it

    Blocks up to a few times :data:`TRIAL_TIMEOUT_S`; any thread.
    """
    bwrap = find_program()
    if bwrap is None:
        check = Check(name="bubblewrap", ok=False, detail="not installed", cure=_INSTALL_BWRAP)
        return Findings(launcher=None, checks=(check, *_extras()))
    found = Check(name="bubblewrap", ok=True, detail=bwrap)
    try:
        program = build_filter()
    except FilterUnavailable as error:
        check = Check(name="seccomp", ok=False, detail=str(error), cure=_INSTALL_SECCOMP)
        return Findings(launcher=None, checks=(found, check, *_extras()))
    candidates = _candidates(bwrap, program, landlock)
    launcher, trial = _try_modes(candidates, settings)
    checks = (found, *trial, *_extras())
    return Findings(launcher=launcher, checks=checks, landlock=landlock)


def _try_modes(
    candidates: list[Launcher], settings: tuple[tuple[str, str, str], ...]
) -> tuple[Launcher | None, tuple[Check, ...]]:
    problem = "user namespaces are refused"
    for launcher in candidates:
        problem, facts = _try(launcher)
        if not problem:
            working = replace(
                launcher, forks=facts["apart"] is True, landlock=int(str(facts["landlock"]))
            )
            return working, (_confined(working), _landlock(working), _separated(working))
        LOG.info("a sandbox in mode %s does not work: %s", launcher.mode.value, problem)
    check = Check(name="namespaces", ok=False, detail=problem, cure=_find_cure(settings))
    return None, (check,)


def _candidates(bwrap: str, program: bytes, landlock: bool) -> list[Launcher]:
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
            program=program,
            landlock_off=not landlock,
        )
        for mode in modes
        for disable in (True, False)
    ]


def _try(launcher: Launcher) -> tuple[str, dict[str, object]]:
    """Run the trial in a sandbox; return what is wrong with it, or nothing, and the facts."""
    program = os.memfd_create("filter")
    try:
        os.write(program, launcher.program)
        os.lseek(program, 0, os.SEEK_SET)
        process = launcher.start(
            Profile(owner="probe"),
            ["-c", _TRIAL, str(program)],
            descriptors=[program],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            forked_from=True,
        )
    except OSError as error:
        return str(error), {}
    finally:
        os.close(program)
    try:
        answer, complaint = process.communicate(timeout=TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        kill(process)
        process.communicate()
        return f"the trial sandbox did not end within {TRIAL_TIMEOUT_S:.0f} s", {}
    if process.returncode != 0:
        told = complaint.decode(errors="replace").strip()[-500:]
        return told or "the trial sandbox failed", {}
    return _judge(answer)


def _judge(answer: bytes) -> tuple[str, dict[str, object]]:
    try:
        facts = json.loads(answer)
        open_doors = [
            *(["a network interface"] if set(facts["interfaces"]) - {"lo"} else []),
            *(words for name, words in _DOORS.items() if facts[name] is not True),
        ]
        int(facts["landlock"])
    except (ValueError, KeyError, TypeError):
        return "the trial sandbox gave no answer", {}
    return (f"the trial sandbox has {', '.join(open_doors)}" if open_doors else ""), facts


def _confined(launcher: Launcher) -> Check:
    further = "" if launcher.disable_userns else "; bubblewrap cannot forbid further namespaces"
    calls = "" if launcher.forks else "; a call gets no process namespace of its own"
    return Check(
        name="namespaces",
        ok=True,
        detail="a trial ran without network, with a read-only view and filtered system calls"
        f"{further}{calls}",
    )


def _landlock(launcher: Launcher) -> Check:
    """Tell whether there is Landlock; nothing rests on it alone."""
    detail = f"version {launcher.landlock}" if launcher.landlock else "the kernel has none"
    if launcher.landlock_off:
        detail = "switched off in agent.toml"
    return Check(name="landlock", ok=True, detail=detail, needed=False)


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

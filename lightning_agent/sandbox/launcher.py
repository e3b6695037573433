"""Build a sandbox with bubblewrap and start a command in it.

Own user, pid, network, ipc, uts and, where there is one, cgroup namespace; no network; a read-only
view made of :mod:`lightning_agent.sandbox.profile`; no capability; a filter of system calls; a
cleared environment; no controlling terminal; death with the supervisor.  Resource limits and,
where the kernel has it, Landlock are set by the inner side before it reads tenant code; the inner
side of a sandbox that is forked from sets the filter, too, and gives up the capabilities that
forking needs.

Where the supervisor is root, an outer bubblewrap first builds the same view, in which ``setpriv``
becomes an unprivileged uid of the owner; the inner one is then the same sandbox as for an ordinary
user.  (The outer view is needed because that uid may not pass the folders above the interpreter.)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath

from lightning_agent.sandbox.hardening import LANDLOCK_VARIABLE
from lightning_agent.sandbox.profile import (
    WORK_PATH,
    Bind,
    Interpreter,
    Link,
    Profile,
)

FIRST_UID = 61184
"""First uid given to tenants' code where the supervisor is root.  Source: systemd.exec, dynamic
service users (61184..65519), which no package and no person has."""

UID_COUNT = 65519 - FIRST_UID + 1
"""How many such uids there are."""

SCRATCH_PATH = "/tmp"  # noqa: S108 - inside the sandbox, where it is the tenant's own
"""A small writable folder inside the sandbox."""

SHARED_PATH = "/dev/shm"  # noqa: S108 - likewise
"""Another one, for what processes share."""

_INNER_UID = "65534"
_FORKING = ("--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP")
"""For namespaces of each fork, and to give both up for good; in the sandbox's own namespace."""
_ENVIRONMENT = {
    "PATH": "/usr/bin:/bin",
    "HOME": WORK_PATH,
    "TMPDIR": SCRATCH_PATH,
    "LANG": "C.UTF-8",
    "LIGHTNING_SANDBOX": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class Mode(Enum):
    """How a sandbox is entered."""

    SEPARATE_UID = "separate-uid"
    """The supervisor is root; tenants' code runs as a uid of its own."""

    SAME_UID = "same-uid"
    """Tenants' code has the supervisor's uid; separation rests on namespaces alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launcher:
    """Starts commands in sandboxes.

    :param bwrap: path of the bubblewrap program
    :param setpriv: path of the setpriv program; ``None`` where :attr:`mode` is ``SAME_UID``
    :param disable_userns: forbid further user namespaces inside; needs bubblewrap 0.8 or newer
    :param program: the filter of system calls, see :mod:`lightning_agent.sandbox.seccomp`
    :param forks: whether a sandbox may be forked from: the trial could
    :param landlock: version of Landlock in use, 0 for none
    :param landlock_off: the board's owner has switched it off
    :param tag: last word of every command line, by which :func:`end_orphans` finds them
    """

    bwrap: str
    setpriv: str | None
    interpreter: Interpreter
    mode: Mode
    disable_userns: bool = True
    program: bytes = b""
    forks: bool = False
    landlock: int = 0
    landlock_off: bool = False
    tag: str = "lightning-sandbox"

    def start(
        self,
        profile: Profile,
        arguments: Sequence[str],
        *,
        descriptors: Sequence[int] = (),
        stdout: int = subprocess.DEVNULL,
        stderr: int = subprocess.DEVNULL,
        forked_from: bool = False,
    ) -> subprocess.Popen[bytes]:
        """Start the sandbox's interpreter with ``arguments``; the caller kills and reaps it.

        The returned process is bubblewrap, a child of the caller: when it dies, the kernel kills
        everything inside, and when the thread that called this dies, so does it.  Call it from a
        thread that lives as long as the sandbox may.  End it by :func:`kill`.

        :param descriptors: descriptors to pass on, under the same numbers
        :param forked_from: give it what it needs to fork sandboxes of its own; it gets no filter:
            what it forks puts that on itself, see :mod:`lightning_agent.sandbox.hardening`
        :raises OSError: the program cannot be started
        """
        command = [*_isolated(self.interpreter.executable), *arguments, self.tag]
        files = []
        inner = self._inner(profile, forked_from)
        if self.program and not forked_from:
            files.append(_memory_file("filter", self.program))
            inner += ["--seccomp", str(files[0])]
        files.append(_arguments_file(inner))
        wrapped = [self.bwrap, "--args", str(files[-1]), "--", *command]
        if self.mode is Mode.SEPARATE_UID and self.setpriv is not None:
            files.append(_arguments_file(self._outer(profile)))
            become = _become(self.setpriv, uid_of(profile.owner))
            wrapped = [self.bwrap, "--args", str(files[-1]), "--", *become, *wrapped]
        try:
            return subprocess.Popen(
                wrapped,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(*files, *descriptors),
                process_group=0,
                cwd="/",
                env={},
            )
        finally:
            for descriptor in files:
                os.close(descriptor)

    def _inner(self, profile: Profile, forked_from: bool) -> list[str]:
        binds = [*self.interpreter.binds, *profile.binds]
        if self.mode is Mode.SEPARATE_UID:
            binds = [Bind(source=bind.target, target=bind.target) for bind in binds]
        return [
            *_namespaces(self.disable_userns),
            *(_FORKING if forked_from else ()),
            *_environment(),
            *(("--setenv", LANDLOCK_VARIABLE, "off") if self.landlock_off else ()),
            *_view(binds, self.interpreter.links),
            *_writable(profile),
            *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", WORK_PATH),
        ]

    def _outer(self, profile: Profile) -> list[str]:
        programs = [self.bwrap, self.setpriv or ""]
        binds = [
            *self.interpreter.binds,
            *profile.binds,
            *(Bind(source=path, target=path) for path in programs),
        ]
        return [
            *("--die-with-parent", "--unshare-pid", "--new-session", "--clearenv"),
            *_view(binds, self.interpreter.links),
            # The inner bubblewrap builds its root on /tmp.
            *("--proc", "/proc", "--dev", "/dev"),
            *("--perms", "1777", "--tmpfs", SCRATCH_PATH),
            *("--chdir", "/"),
        ]


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a sandbox that has not been reaped yet, with all that is in it.

    The whole group is killed, not bubblewrap alone: its inner half, until it is set up, waits for
    the outer one and would not notice that it is gone.
    """
    if process.returncode is None:
        os.killpg(process.pid, signal.SIGKILL)


def make_tag(state_dir: Path) -> str:
    """Return the tag of the sandboxes of ``state_dir``."""
    return f"lightning-sandbox-{hashlib.sha256(os.fsencode(state_dir)).hexdigest()[:32]}"


def end_orphans(tag: str) -> int:
    """Kill what an earlier, killed supervisor left with ``tag``; return how many there were.

    Only a sandbox that was just being set up can be left: see :func:`kill`.
    """
    ending = b"\0" + os.fsencode(tag) + b"\0"
    count = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().endswith(ending):
                os.kill(int(path.parent.name), signal.SIGKILL)
                count += 1
        except OSError:
            continue  # it has ended by itself, or is somebody else's
    return count


def uid_of(owner: str) -> int:
    """Return the uid for the code of ``owner`` where the supervisor is root."""
    return FIRST_UID + zlib.crc32(owner.encode()) % UID_COUNT


def find_bwrap() -> str | None:
    """Return the path of bubblewrap, or ``None``."""
    return _find_program("bwrap")


def find_setpriv() -> str | None:
    """Return the path of setpriv (util-linux), or ``None``."""
    return _find_program("setpriv")


def _find_program(name: str) -> str | None:
    found = shutil.which(name) or shutil.which(name, path="/usr/bin:/bin:/usr/local/bin")
    return os.path.realpath(found) if found else None


def _isolated(executable: str) -> list[str]:
    """Return the interpreter without user settings, ``site`` and bytecode writing."""
    return [executable, "-I", "-S", "-B"]


def _become(setpriv: str, uid: int) -> list[str]:
    return [setpriv, "--reuid", str(uid), "--regid", str(uid), "--clear-groups", "--no-new-privs"]


def _arguments_file(arguments: Iterable[str]) -> int:
    """Return a descriptor to read ``arguments`` from, so that paths are on no command line."""
    text = b"".join(os.fsencode(argument) + b"\0" for argument in arguments)
    return _memory_file("bwrap-arguments", text)


def _memory_file(name: str, content: bytes) -> int:
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _namespaces(disable_userns: bool) -> list[str]:
    return [
        *("--unshare-user", "--uid", _INNER_UID, "--gid", _INNER_UID),
        *(("--disable-userns",) if disable_userns else ()),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"),
        *("--unshare-cgroup-try", "--hostname", "sandbox"),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    ]


def _environment() -> list[str]:
    settings = ["--clearenv"]
    for name, value in _ENVIRONMENT.items():
        settings += ["--setenv", name, value]
    return settings


def _view(binds: Iterable[Bind], links: Iterable[Link]) -> list[str]:
    arguments: list[str] = []
    made: set[str] = set()
    for bind in binds:
        # bubblewrap makes missing parents with mode 0700, which another uid cannot pass.
        for parent in reversed(PurePosixPath(bind.target).parents[:-1]):
            if str(parent) not in made:
                made.add(str(parent))
                arguments += ["--perms", "0755", "--dir", str(parent)]
        made.add(bind.target)
        arguments += ["--ro-bind", bind.source, bind.target]
    for link in links:
        arguments += ["--symlink", link.source, link.target]
    return arguments


def _writable(profile: Profile) -> list[str]:
    limits = profile.limits
    return [
        *("--dev", "/dev"),
        *("--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", SHARED_PATH),
        *("--perms", "1777", "--size", str(limits.scratch_bytes), "--tmpfs", SCRATCH_PATH),
        *("--perms", "0755", "--size", str(limits.work_bytes), "--tmpfs", WORK_PATH),
    ]

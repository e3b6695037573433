"""What one tenant's code may see and use: paths, memory, CPU, files, time.

A :class:`Profile` is a value; :mod:`lightning_agent.sandbox.launcher` turns it into a sandbox.
The view is built from nothing: what is not listed here is not there.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

BUNDLE_PATH = "/plugin"
"""Where the unpacked bundle is inside the sandbox, read-only."""

WORK_PATH = "/job"
"""The writable folder inside the sandbox, empty at start and gone at the end."""

AGENT_PATH = "/opt/lightning"
"""Parent of the ``lightning_agent`` package inside the sandbox, read-only."""

PACKAGES_PATH = "/opt/packages"
"""Parent of the numbered package folders inside the sandbox, read-only."""

_SYSTEM = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32", "/usr/share/zoneinfo")
_MERGED = ("/lib", "/lib32", "/lib64", "/libx32")
_SETTINGS = ("/etc/ld.so.cache", "/etc/alternatives")
_HARDWARE = ("/proc/cpuinfo", "/sys/devices/system/cpu")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Resource limits of one sandbox.

    :param memory_bytes: address space of one process, bytes
    :param cpu_s: processor seconds of one process; ``None`` means no limit
    :param file_bytes: size of one written file, bytes
    :param open_files: descriptors of one process
    :param processes: processes and threads
    :param work_bytes: size of the work folder, bytes
    :param scratch_bytes: size of each of ``/tmp`` and ``/dev/shm``, bytes
    """

    memory_bytes: int = 1024 * 1024 * 1024
    cpu_s: int | None = None
    file_bytes: int = 64 * 1024 * 1024
    open_files: int = 64
    processes: int = 64
    work_bytes: int = 64 * 1024 * 1024
    scratch_bytes: int = 16 * 1024 * 1024

    def to_order(self) -> dict[str, int | None]:
        """Return the part that the inner side applies to itself."""
        return {
            "memory_bytes": self.memory_bytes,
            "cpu_s": self.cpu_s,
            "file_bytes": self.file_bytes,
            "open_files": self.open_files,
            "processes": self.processes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A read-only path: ``source`` on the board seen as ``target`` inside."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A symbolic link inside the sandbox, as the board has it."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """The Python that runs inside, with what it needs to see.

    :param executable: absolute path, the same outside and inside
    :param binds: standard library, system libraries and package folders
    :param links: ``/lib`` and its like where the system is merged into ``/usr``
    :param packages: package folders as seen inside, in order of ``sys.path``
    """

    executable: str
    binds: tuple[Bind, ...]
    links: tuple[Link, ...]
    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One sandbox: what it sees beyond the interpreter, and its limits.

    :param owner: whose code it is; two owners never share a uid where the supervisor is root
    """

    owner: str
    binds: tuple[Bind, ...] = ()
    limits: Limits = field(default_factory=Limits)


def find_interpreter() -> Interpreter:
    """Return the interpreter this process runs on, with the packages of its environment.

    Works for ``/usr/bin/python3``, a virtual environment, and an interpreter under any prefix: the
    real executable is run without ``site``, and each package folder is shown at a neutral path.
    """
    executable = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    binds = [Bind(source=path, target=path) for path in _system_paths() if os.path.exists(path)]
    for path in (*_library_paths(), executable):
        if not _is_covered(path, binds):
            binds.append(Bind(source=path, target=path))
    packages = []
    for number, source in enumerate(_package_folders()):
        target = f"{PACKAGES_PATH}/{number}"
        binds.append(Bind(source=source, target=target))
        packages.append(target)
    binds.append(Bind(source=str(_agent_package()), target=f"{AGENT_PATH}/lightning_agent"))
    return Interpreter(
        executable=executable,
        binds=tuple(binds),
        links=tuple(
            Link(source=os.readlink(path), target=path) for path in _MERGED if os.path.islink(path)
        ),
        packages=tuple(packages),
    )


def _system_paths() -> list[str]:
    own = [path for path in _MERGED if not os.path.islink(path)]
    return [*_SYSTEM, *own, *_SETTINGS, *_HARDWARE]


def _library_paths() -> list[str]:
    """Return the folders of the standard library and of a shared libpython."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    paths = {os.path.realpath(sysconfig.get_path("stdlib"))}
    for prefix in (sys.base_prefix, sys.base_exec_prefix):
        paths.add(os.path.realpath(os.path.join(prefix, sys.platlibdir, version)))
    shared = sysconfig.get_config_var("LDLIBRARY")
    folder = sysconfig.get_config_var("LIBDIR")
    if shared and folder and os.path.exists(os.path.join(folder, shared)):
        paths.add(os.path.realpath(folder))
    found = sorted(path for path in paths if os.path.isdir(path))
    return [path for path in found if not any(path.startswith(f"{top}/") for top in found)]


def _is_covered(path: str, binds: list[Bind]) -> bool:
    return any(path == bind.target or path.startswith(f"{bind.target}/") for bind in binds)


def _package_folders() -> list[str]:
    """Return the existing ``site-packages`` and ``dist-packages`` folders of ``sys.path``."""
    names = ("site-packages", "dist-packages")
    folders = [os.path.realpath(path) for path in sys.path if os.path.basename(path) in names]
    return [path for path in dict.fromkeys(folders) if os.path.isdir(path)]


def _agent_package() -> Path:
    return Path(__file__).resolve().parent.parent

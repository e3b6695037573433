"""The sdist and the wheel, both reproducible; the wheel is built from the sdist."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

BUILD_S = 600
"""Longest time of one step, seconds; a fresh machine downloads setuptools."""

FIRST_TIME_S = 315_532_800
"""1980-01-01, seconds since 1970: an older file cannot stand in a wheel, which is a zip."""

NOT_SOURCES = (".git", ".tox", ".venv*", "build", "dist", "*.egg-info", "__pycache__", ".*_cache")
"""What is not copied from a folder that is no checkout."""


def source_time(checkout: Path) -> int:
    """Return the time that all files get, seconds since 1970.

    ``SOURCE_DATE_EPOCH``, else that of the last commit, else that of ``setup.cfg``.

    :raises ValueError: the variable is no whole number, or before 1980
    """
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given is None:
        found = git(checkout, "log", "-1", "--format=%ct")
        if found is None:
            return max(int((checkout / "setup.cfg").stat().st_mtime), FIRST_TIME_S)
        given = found.strip()
    if not given.isdecimal() or int(given) < FIRST_TIME_S:
        raise ValueError(f"SOURCE_DATE_EPOCH must be a whole number >= {FIRST_TIME_S}: {given!r}")
    return int(given)


def build_sdist(checkout: Path, folder: Path, work: Path, epoch_s: int) -> Path:
    """Build the sdist into ``folder``; return its path."""
    sources = work / "sources"
    copy_sources(checkout, sources)
    made = build("--sdist", sources, work, epoch_s)
    result = folder / made.name
    repack(made, result, epoch_s)
    return result


def build_wheel(sdist: Path, folder: Path, work: Path, epoch_s: int) -> Path:
    """Build the wheel from the sdist into ``folder``; return its path."""
    unpacked = work / "unpacked"
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (tree,) = unpacked.iterdir()
    for path in tree.rglob("*"):
        if path.is_file():  # the wheel keeps the modes
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
    made = build("--wheel", tree, work, epoch_s)
    return Path(shutil.move(made, folder / made.name))


def build(kind: str, sources: Path, work: Path, epoch_s: int) -> Path:
    """Run the build of the project in an environment of its own; return what it made."""
    out = work / f"made{kind}"
    subprocess.run(
        [sys.executable, "-m", "build", kind, "--outdir", str(out), str(sources)],
        check=True,
        timeout=BUILD_S,
        stdout=subprocess.DEVNULL,
        cwd=work,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch_s)},
        umask=0o022,
    )
    (made,) = out.iterdir()
    return made


def copy_sources(checkout: Path, to: Path) -> None:
    """Copy the files that git knows, as they are now; without git, all that are no products."""
    listed = git(checkout, "ls-files", "-z")
    if listed is None:
        shutil.copytree(checkout, to, ignore=shutil.ignore_patterns(*NOT_SOURCES))
        return
    for name in filter(None, listed.split("\0")):
        if (checkout / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, to / name)


def git(checkout: Path, *arguments: str) -> str | None:
    """Return what git says of the checkout; ``None`` where it is none, or git is missing."""
    if not (checkout / ".git").exists() or shutil.which("git") is None:
        return None
    command = ["git", "-c", f"safe.directory={checkout}", "-C", str(checkout), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def repack(archive: Path, result: Path, epoch_s: int) -> None:
    """Write a tar archive anew: sorted, without the builder's name, time and umask."""
    packed = io.BytesIO()
    with tarfile.open(archive) as old, tarfile.open(fileobj=packed, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = (
                epoch_s,
                0,
                0,
                "",
                "",
            )
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    with result.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=epoch_s) as zipped:
        zipped.write(packed.getvalue())

"""Bundles: check what a tenant uploaded and unpack it into an empty folder.

A bundle is one ``.py`` file, or a ``.zip`` with ``plugin.py`` or ``main.py`` at its root and data
files beside it.  The archive is hostile: names, kinds, sizes and ratio are checked before the
first byte is written, and sizes again while unpacking, since the directory of an archive may lie.
Called by the supervisor's plugin store, which owns digests, staging and renaming.
"""

from __future__ import annotations

import os
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lightning_agent.errors import BundleRefused

ENTRIES = ("plugin.py", "main.py")
"""Names of the file that is run, in the order in which they are looked for."""

_SPECIAL_BITS = stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX
_ENCRYPTED = 0x1
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_CHUNK_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleLimits:
    """What one bundle may hold.

    :param archive_bytes: size of the bundle itself, bytes
    :param files: files and folders
    :param file_bytes: size of one unpacked file, bytes
    :param total_bytes: size of all unpacked files, bytes
    :param ratio: unpacked bytes per byte of the archive
    :param depth: folders above a file
    :param name_bytes: length of one path, bytes of UTF-8
    """

    archive_bytes: int = 64 * 1024 * 1024
    files: int = 2000
    file_bytes: int = 64 * 1024 * 1024
    total_bytes: int = 256 * 1024 * 1024
    ratio: int = 100
    depth: int = 16
    name_bytes: int = 512


DEFAULT_LIMITS = BundleLimits()
"""Limits of a board's supervisor; chosen here, the ratio from the sandbox specification."""


def unpack(
    bundle: IO[bytes],
    bundle_format: str,
    destination: Path,
    limits: BundleLimits = DEFAULT_LIMITS,
) -> None:
    """Unpack ``bundle`` into the existing empty folder ``destination`` and flush it to the disk.

    :param bundle: seekable file, positioned anywhere
    :param bundle_format: ``"py"`` or ``"zip"``
    :raises BundleRefused: it breaks a rule; ``destination`` may then hold a part of it and is to
        be thrown away by the caller
    """
    size_bytes = bundle.seek(0, os.SEEK_END)
    bundle.seek(0)
    if size_bytes > limits.archive_bytes:
        raise BundleRefused(f"the bundle has more than {limits.archive_bytes} bytes")
    if bundle_format == "py":
        _write_file(bundle, destination / ENTRIES[0], limits.file_bytes)
    elif bundle_format == "zip":
        _unpack_zip(bundle, size_bytes, destination, limits)
    else:
        raise BundleRefused(f"a bundle is 'py' or 'zip', not {bundle_format!r}")
    _flush_folders(destination)


def find_entry(folder: Path) -> str | None:
    """Return the name of the file to run in an unpacked bundle, or ``None``."""
    for name in ENTRIES:
        if (folder / name).is_file():
            return name
    return None


def check_names(names: Iterable[str], limits: BundleLimits = DEFAULT_LIMITS) -> None:
    """Check the paths of an archive; a path that ends in ``/`` is a folder.

    :raises BundleRefused: absolute, leaves the folder, not portable, twice, differs from another
        one only by case, or uses a file as a folder
    """
    files: set[str] = set()
    folders: dict[str, str] = {}
    for name in names:
        parts = _check_path(name, limits)
        above = parts if name.endswith("/") else parts[:-1]
        for depth in range(1, len(above) + 1):
            folder = "/".join(above[:depth])
            if folders.setdefault(_folded(folder), folder) != folder:
                raise BundleRefused(f"{folder!r} differs from another folder only by case")
        if not name.endswith("/"):
            folded = _folded(name)
            if folded in files:
                raise BundleRefused(f"{name!r} is in the bundle twice, or differs only by case")
            files.add(folded)
    both = files.intersection(folders)
    if both:
        raise BundleRefused(f"{min(both)!r} is both a file and a folder")


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _check_path(name: str, limits: BundleLimits) -> list[str]:
    try:
        size_bytes = len(name.encode())
    except UnicodeEncodeError as error:
        raise BundleRefused(f"{name!r} is not valid Unicode") from error
    if size_bytes > limits.name_bytes:
        raise BundleRefused(f"a path has more than {limits.name_bytes} bytes")
    if "\\" in name or ":" in name or any(ord(letter) < 32 or letter == "\x7f" for letter in name):
        raise BundleRefused(f"{name!r} holds a character that is not allowed in a path")
    parts = name.removesuffix("/").split("/")
    if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
        raise BundleRefused(f"{name!r} is not a plain relative path")
    if len(parts) - 1 > limits.depth:
        raise BundleRefused(f"{name!r} is deeper than {limits.depth} folders")
    return parts


def _unpack_zip(
    bundle: IO[bytes], size_bytes: int, destination: Path, limits: BundleLimits
) -> None:
    try:
        with zipfile.ZipFile(bundle) as archive:
            members = archive.infolist()
            _check_members(members, size_bytes, limits)
            for member in members:
                _extract(archive, member, destination)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        EOFError,
        ValueError,
        RuntimeError,
    ) as error:
        raise BundleRefused(f"not a usable zip archive: {error}") from error
    if find_entry(destination) is None:
        raise BundleRefused("the bundle has neither plugin.py nor main.py at its root")


def _check_members(members: list[zipfile.ZipInfo], size_bytes: int, limits: BundleLimits) -> None:
    if len(members) > limits.files:
        raise BundleRefused(f"the bundle has more than {limits.files} files")
    check_names((member.orig_filename for member in members), limits)
    for member in members:
        _check_kind(member)
        if member.file_size > limits.file_bytes:
            raise BundleRefused(f"{member.filename!r} has more than {limits.file_bytes} bytes")
    total_bytes = sum(member.file_size for member in members)
    if total_bytes > limits.total_bytes:
        raise BundleRefused(f"unpacked, the bundle has more than {limits.total_bytes} bytes")
    if total_bytes > limits.ratio * size_bytes:
        raise BundleRefused(f"the bundle is compressed by more than {limits.ratio}:1")


def _check_kind(member: zipfile.ZipInfo) -> None:
    mode = member.external_attr >> 16
    kind = stat.S_IFMT(mode)
    allowed = (0, stat.S_IFDIR) if member.filename.endswith("/") else (0, stat.S_IFREG)
    if kind not in allowed:
        raise BundleRefused(f"{member.filename!r} is a link, a device or another special file")
    if mode & _SPECIAL_BITS:
        raise BundleRefused(f"{member.filename!r} has a setuid, setgid or sticky bit")
    if member.flag_bits & _ENCRYPTED:
        raise BundleRefused(f"{member.filename!r} is encrypted")
    if member.compress_type not in _METHODS:
        raise BundleRefused(f"{member.filename!r} is compressed by an unusual method")


def _extract(archive: zipfile.ZipFile, member: zipfile.ZipInfo, destination: Path) -> None:
    target = destination / member.filename
    if member.filename.endswith("/"):
        _make_folder(target)
        return
    _make_folder(target.parent)
    with archive.open(member) as source:
        _write_file(source, target, member.file_size)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)


def _write_file(source: IO[bytes], target: Path, limit_bytes: int) -> None:
    left_bytes = limit_bytes
    with target.open("xb") as written:
        os.fchmod(written.fileno(), 0o644)
        while chunk := source.read(_CHUNK_BYTES):
            left_bytes -= len(chunk)
            if left_bytes < 0:
                raise BundleRefused(f"{target.name!r} is larger than it may be")
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())


def _flush_folders(top: Path) -> None:
    """Make the folders readable for the sandbox's uid and flush them, the deepest first."""
    for folder, _, _ in os.walk(top, topdown=False):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchmod(descriptor, 0o755)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_tree(folder: Path) -> None:
    """Remove ``folder`` if it is there; what cannot be removed stays for the next start."""
    shutil.rmtree(folder, ignore_errors=True)

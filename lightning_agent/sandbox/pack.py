"""Make a bundle of what a plugin's author has: a file, an archive, or a folder.

The opposite of :mod:`lightning_agent.sandbox.bundle`, which has the last word: what is made here
is unpacked and checked by the same rules as what a cloud sends.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lightning_agent.errors import BundleRefused
from lightning_agent.sandbox.bundle import DEFAULT_LIMITS, ENTRIES, find_entry

FORMATS = ("py", "zip")
"""Endings of files that are bundles."""

_LEFT_OUT = ("__pycache__",)
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle on the disk; ``bundle_format`` is ``"py"`` or ``"zip"``."""

    path: Path
    bundle_format: str


def make_bundle(source: Path, folder: Path) -> Bundle:
    """Return the bundle at ``source``, or make one of the folder ``source``.

    Of a folder, names that begin with a dot and ``__pycache__`` are left out.

    :param folder: existing folder, for the archive
    :raises BundleRefused: it is no plugin; the message says what one is
    """
    if source.is_dir():
        return _packed(source, folder)
    if not source.is_file():
        raise BundleRefused(f"{source} is not there, or is no file and no folder")
    ending = source.suffix.removeprefix(".")
    if ending not in FORMATS:
        raise BundleRefused(f"{source}: a plugin is a .py file, a .zip archive or a folder")
    return Bundle(path=source.absolute(), bundle_format=ending)


def _packed(source: Path, folder: Path) -> Bundle:
    if find_entry(source) is None:
        raise BundleRefused(f"{source} has neither {' nor '.join(ENTRIES)}")
    target = folder / "bundle.zip"
    left_bytes = DEFAULT_LIMITS.total_bytes
    with zipfile.ZipFile(target, "x", zipfile.ZIP_DEFLATED) as archive:
        for path in _files(source):
            left_bytes -= path.stat().st_size
            if left_bytes < 0:
                limit = DEFAULT_LIMITS.total_bytes
                raise BundleRefused(f"{source} holds more than {limit} bytes")
            entry = zipfile.ZipInfo(str(path.relative_to(source)), date_time=_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return Bundle(path=target, bundle_format="zip")


def _files(source: Path) -> Iterator[Path]:
    """Give the files below ``source``, in the same order at each time."""
    count = 0
    for place, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if _is_wanted(name))
        for path in (Path(place, name) for name in [*folders, *sorted(names)]):
            if path.is_symlink():
                raise BundleRefused(f"{path} is a link; a plugin has files and folders only")
        for name in filter(_is_wanted, sorted(names)):
            count += 1
            if count > DEFAULT_LIMITS.files:
                raise BundleRefused(f"{source} has more than {DEFAULT_LIMITS.files} files")
            yield Path(place, name)


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and name not in _LEFT_OUT

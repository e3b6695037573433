"""Checks of the programs tenants upload, before anything is stored.

A bundle is one Python file, or a zip archive with ``plugin.py`` or ``main.py``
at its root. Nothing of it is executed or unpacked here: source is parsed,
archives are read by their directory. Every refusal is a :class:`BadBundle`
that says which rule is broken and where. The board checks again before it
unpacks.
"""

from __future__ import annotations

import ast
import stat
import struct
import threading
import warnings
import zipfile
import zlib
from typing import BinaryIO

from iotronic_mec.errors import BadRequest

MAX_SOURCE_BYTES = 1_048_576
"""Largest Python source, bytes."""

MAX_PARSED_BYTES = 65_536
"""Largest source whose syntax is checked, bytes; larger ones are left to the
board. Chosen here: hostile source of 1 MiB keeps the parser busy for a minute
and takes 1 GB, of 64 KiB half a second and 50 MB."""

MAX_ENTRIES = 10_000
"""Most entries of an archive."""

MAX_UNPACKED_BYTES = 268_435_456
"""Largest sum of an archive's unpacked files, bytes."""

MAX_RATIO = 200
"""Most bytes unpacked for one byte packed, over the whole archive."""

FREE_OF_RATIO_BYTES = 1_048_576
"""An archive that unpacks to this or less may have any ratio, bytes."""

MAX_PATH_BYTES = 1024
"""Longest path inside an archive, bytes."""

MAX_PART_BYTES = 255
"""Longest name of a file or folder inside an archive, bytes."""

ENTRIES = ("plugin.py", "main.py")
"""Where a board looks for the program, in this order."""

_DIRECTORY_ENTRY_BYTES = 46
_LOCAL_HEADER_BYTES = 30
_MAX_DIRECTORY_BYTES = 4_194_304
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR_64_BYTES = 20
_LOCATOR_64 = b"PK\x06\x07"
_MAX_COMMENT_BYTES = 65_535
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_ENCRYPTED = 0x1

_PARSER = threading.Lock()


class BadBundle(BadRequest):
    """The program cannot be accepted."""

    code = "iot.bundle.invalid"

    @classmethod
    def of(cls, rule: str, text: str, **details: object) -> BadBundle:
        """Make the error for a broken rule.

        :param rule: short stable name of the rule, for programs
        :param text: the sentence for people
        """
        return cls(text, details={"rule": rule, **details})


def check_source(source: bytes, name: str = "code") -> None:
    """Check that bytes can be a Python program; nothing is executed.

    Blocks while another thread parses: one source at a time is in memory.

    :param name: what to call it in the refusal
    :raises BadBundle: empty, too large, not UTF-8, or not Python
    """
    if not source.strip():
        raise BadBundle.of("empty", f"{name}: must not be empty")
    if len(source) > MAX_SOURCE_BYTES:
        raise BadBundle.of("size", f"{name}: is over {MAX_SOURCE_BYTES} bytes")
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise BadBundle.of("encoding", f"{name}: line {line}: not UTF-8", line=line) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise BadBundle.of("encoding", f"{name}: line {line}: a null character", line=line)
    if len(source) <= MAX_PARSED_BYTES:
        _parse(text, name)


def check_archive(file: BinaryIO, size_bytes: int) -> None:
    """Check the structure of a zip archive; nothing is unpacked but its program.

    :param file: seekable; its position afterwards is anywhere
    :param size_bytes: of the file
    :raises BadBundle: names the rule and the entry
    """
    declared = _declared_entries(file, size_bytes)
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            if len(entries) != declared:
                raise BadBundle.of("directory", "bundle: the zip directory contradicts itself")
            for entry in entries:
                _check_entry(entry)
            _check_paths(entries)
            _check_sizes(entries, size_bytes)
            _check_overlap(entries, size_bytes)
            _check_program(archive, entries)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        NotImplementedError,
        EOFError,
        ValueError,
        RuntimeError,
    ) as error:
        raise BadBundle.of("zip", "bundle: not a zip archive, or a broken one") from error


def _parse(text: str, name: str) -> None:
    try:
        with _PARSER, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except SyntaxError as error:
        line = error.lineno or 1
        raise BadBundle.of("syntax", f"{name}: line {line}: {error.msg}", line=line) from error
    except (RecursionError, MemoryError, ValueError, OverflowError) as error:
        raise BadBundle.of("syntax", f"{name}: nested too deeply to be read") from error


def _declared_entries(file: BinaryIO, size_bytes: int) -> int:
    """Return the number of entries the archive's end declares.

    Read before :mod:`zipfile` sees the archive, which makes an object of each
    entry however many there are.
    """
    start = max(0, size_bytes - _END.size - _MAX_COMMENT_BYTES)
    file.seek(start)
    tail = file.read(size_bytes - start)
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) - at < _END.size:
        raise BadBundle.of("zip", "bundle: not a zip archive, or a broken one")
    _, _, _, _, count, directory_bytes, _, _ = _END.unpack_from(tail, at)
    locator = at - _LOCATOR_64_BYTES
    if locator >= 0 and tail[locator : locator + len(_LOCATOR_64)] == _LOCATOR_64:
        raise BadBundle.of("zip64", "bundle: zip64 archives are not accepted")
    if count > MAX_ENTRIES:
        raise BadBundle.of("entries", f"bundle: more than {MAX_ENTRIES} entries")
    if not count * _DIRECTORY_ENTRY_BYTES <= directory_bytes <= _MAX_DIRECTORY_BYTES:
        raise BadBundle.of("directory", "bundle: the zip directory contradicts itself")
    return int(count)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    # zipfile cuts names at a null character and turns other separators; the
    # name as it came is what counts
    name = entry.orig_filename
    shown = repr(name)[:80]
    if not _is_plain(name):
        raise BadBundle.of("path", f"bundle: the path {shown} is not allowed", entry=shown)
    if entry.flag_bits & _ENCRYPTED:
        raise BadBundle.of("encrypted", f"bundle: {shown} is encrypted", entry=shown)
    if entry.compress_type not in _METHODS:
        raise BadBundle.of(
            "method", f"bundle: {shown} is neither stored nor deflated", entry=shown
        )
    kind = stat.S_IFMT(entry.external_attr >> 16)
    wanted = stat.S_IFDIR if entry.is_dir() else stat.S_IFREG
    if kind not in (0, wanted):
        raise BadBundle.of("kind", f"bundle: {shown} is no ordinary file or folder", entry=shown)


def _is_plain(name: str) -> bool:
    """Say whether a path stays below the folder it is unpacked to, everywhere."""
    if "\\" in name or name[1:2] == ":" or not name.isprintable():
        return False
    try:
        parts = [part.encode() for part in name.removesuffix("/").split("/")]
    except UnicodeEncodeError:
        return False
    return len(name.encode()) <= MAX_PATH_BYTES and all(
        part not in (b"", b".", b"..") and len(part) <= MAX_PART_BYTES for part in parts
    )


def _check_paths(entries: list[zipfile.ZipInfo]) -> None:
    """Refuse two entries for one path, and files that would have to be folders."""
    seen: set[str] = set()
    files: set[str] = set()
    for entry in entries:
        path = entry.filename.removesuffix("/")
        if path in seen:
            raise BadBundle.of("twice", f"bundle: {path[:80]!r} is there twice", entry=path[:80])
        seen.add(path)
        if not entry.is_dir():
            files.add(path)
    for path in seen:
        at = path.find("/")
        while at >= 0:
            if path[:at] in files:
                shown = path[:at][:80]
                raise BadBundle.of(
                    "twice", f"bundle: {shown!r} is both a file and a folder", entry=shown
                )
            at = path.find("/", at + 1)


def _check_sizes(entries: list[zipfile.ZipInfo], size_bytes: int) -> None:
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES:
        raise BadBundle.of(
            "unpacked", f"bundle: unpacks to more than {MAX_UNPACKED_BYTES} bytes", size=unpacked
        )
    if unpacked > FREE_OF_RATIO_BYTES and unpacked > MAX_RATIO * size_bytes:
        raise BadBundle.of(
            "ratio", f"bundle: unpacks to more than {MAX_RATIO} times its size", size=unpacked
        )


def _check_overlap(entries: list[zipfile.ZipInfo], size_bytes: int) -> None:
    """Refuse entries that share bytes: the way to make a small archive huge."""
    end = 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        start = entry.header_offset
        if start < end:
            shown = repr(entry.filename)[:80]
            raise BadBundle.of("overlap", f"bundle: {shown} overlaps another entry", entry=shown)
        end = start + _LOCAL_HEADER_BYTES + len(entry.orig_filename) + entry.compress_size
    if end > size_bytes:
        raise BadBundle.of("zip", "bundle: the archive is cut short")


def _check_program(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> None:
    names = {entry.filename: entry for entry in entries}
    name = next((name for name in ENTRIES if name in names), None)
    if name is None:
        raise BadBundle.of("program", f"bundle: needs {' or '.join(ENTRIES)} at its root")
    if names[name].file_size > MAX_SOURCE_BYTES:
        raise BadBundle.of("size", f"{name}: is over {MAX_SOURCE_BYTES} bytes")
    with archive.open(names[name]) as program:
        source = program.read(MAX_SOURCE_BYTES + 1)
    check_source(source, name)

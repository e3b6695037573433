"""``iotronic-mec db backup`` and ``restore``: a whole cloud in one file.

The file is a tar archive: ``manifest.json``, the tables as lines of JSON, the
blobs they name, sealed segments of the audit among them, and the private files of
the state directory. Whoever has it is the cloud, so it is readable by its owner
only; it is not encrypted.
Separate processes are backed up with the files of ``--config-file``: their storage,
and their shared secret, wherever it lies.
The database is read in one moment, beside a running cloud; blobs are copied
after it, and a blob a row names stays in the storage for an hour at least.
"""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import orjson

from iotronic_mec import __version__
from iotronic_mec.clock import Clock, iso
from iotronic_mec.cmd import core
from iotronic_mec.conf import load
from iotronic_mec.db import dump, migrate
from iotronic_mec.db.engine import is_sqlite, sqlite_url
from iotronic_mec.drivers.storage.base import Storage
from iotronic_mec.errors import BadRequest, Conflict, Unavailable

Result = TypeVar("Result")

FORMAT = 1
"""Version of the archive."""

FORMAT_SEPARATE = 2
"""Version of an archive of separate processes: the one before and :data:`SHARED_KEY`."""

CHUNK_BYTES = 1_048_576
"""Bytes copied at once."""

MAX_FILE_BYTES = 16_777_216
"""Largest private file and largest manifest, bytes."""

CONFIGURATION = "iotronic.conf"

SHARED_KEY = "cloud/secret.key"
"""Name in the archive of the secret separate processes share."""


def backup(folder: Path, target: Path, given: Sequence[Path] = ()) -> dict[str, int]:
    """Write the archive; return how many rows, blobs and files are in it.

    :param given: configuration files of separate processes
    :raises Conflict: there is such a file
    :raises Unavailable: the database is not at this release's revision, a blob is
        missing in the storage, or the shared secret cannot be read
    """
    if target.exists():
        raise Conflict(f"{target} exists: name another file")
    url = core.database_url(folder, given)
    present = migrate.present(url)
    if present != migrate.head():
        raise Unavailable(
            f"the database is at {present or 'no revision'}, this release at {migrate.head()}: "
            "run 'iotronic-mec db upgrade', or the release it belongs to"
        )
    storage = core.storage(folder, given)
    private = {f"files/{path.relative_to(folder)}": path for path in _private(folder)}
    if given:
        private[SHARED_KEY] = _readable(secret_path(folder, given))
    counts = {"rows": 0, "blobs": 0, "files": 0}
    digests: dict[str, str] = {}
    with _written(target) as file, tarfile.open(fileobj=file, mode="w") as archive:
        held = _add_tables(archive, url, digests, counts)
        for digest in sorted(held):
            size = storage.size(digest)
            with storage.open(digest) as blob:
                _add(archive, f"blobs/{digest}", blob, size)
            counts["blobs"] += 1
        for name, path in private.items():
            content = path.read_bytes()
            digests[name] = hashlib.sha256(content).hexdigest()
            _add(archive, name, io.BytesIO(content), len(content))
            counts["files"] += 1
        manifest = {
            "format": FORMAT_SEPARATE if given else FORMAT,
            "release": __version__,
            "revision": present,
            "time": iso(Clock().now()),
            "counts": counts,
            "sha256": digests,
        }
        text = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        _add(archive, "manifest.json", io.BytesIO(text), len(text))
    return counts


def restore(
    folder: Path, source: Path, given: Sequence[Path] = ()
) -> tuple[dict[str, int], Path | None]:
    """Make a state directory and its database from an archive.

    Everything is checked before anything is written; the database comes last
    and whole, so a restore that was interrupted is simply begun again. An
    ``iotronic.conf`` that is there is kept: it may name another database.

    :param given: configuration files of separate processes
    :returns: what was in it, and the file with the secret where that was put apart
    :raises Conflict: the database has rows, or the secret's file holds another one
    :raises BadRequest: the archive is damaged, or of a newer release
    """
    try:
        with tarfile.open(source, mode="r:") as archive:
            manifest = _checked(archive)
            secret = _secret(archive, folder, given)
            url = _target(archive, folder, given)
            _write_files(archive, folder, apart=secret)
            if secret is not None:
                path, content = secret
                if not path.exists():
                    _replace(path, [content])
            _write_blobs(archive, core.storage(folder, given))
            _write_rows(archive, folder, url)
    except (tarfile.TarError, orjson.JSONDecodeError, KeyError, EOFError) as error:
        raise BadRequest(f"{source} is no whole backup: {error}") from error
    return manifest["counts"], None if secret is None else secret[0]


def secret_path(folder: Path, given: Sequence[Path]) -> Path:
    """Return the file with the secret of separate processes; without any, standalone's."""
    return folder / str(load(folder, given).cloud.secret_file if given else "secret.key")


def _readable(path: Path) -> Path:
    """Return the file if it can be read.

    :raises Unavailable: it cannot
    """
    if not path.is_file() or not os.access(path, os.R_OK):
        raise Unavailable(
            f"[cloud] secret_file: {path} cannot be read: run this as a user who may; without it "
            "codes and tokens of a restored cloud were void"
        )
    return path


def _secret(
    archive: tarfile.TarFile, folder: Path, given: Sequence[Path]
) -> tuple[Path, bytes] | None:
    """Return where the secret goes and what it is; ``None`` when it is one of the files.

    :raises Conflict: another one is there, or it cannot be put there
    """
    names = [SHARED_KEY, "files/secret.key"] if given else [SHARED_KEY]
    entry = next(
        (each for name in names for each in archive.getmembers() if each.name == name), None
    )
    if entry is None:
        return None
    path, content = secret_path(folder, given), b"".join(_chunks(archive, entry))
    if path.exists():
        if not os.access(path, os.R_OK) or path.read_bytes() != content:
            raise Conflict(
                f"{path} is not the secret of this backup: move it away, or name another "
                "[cloud] secret_file"
            )
    elif not (path.parent.is_dir() and os.access(path.parent, os.W_OK)):
        raise Conflict(
            f"the cloud's secret belongs into {path}: make that folder and run this as a user "
            "who may write there, or name another [cloud] secret_file"
        )
    return path, content


def _add_tables(
    archive: tarfile.TarFile, url: str, digests: dict[str, str], counts: dict[str, int]
) -> set[str]:
    """Write the rows; return the digests of blobs they hold."""
    held: set[str] = set()
    with dump.snapshot(url) as connection:
        for table in dump.tables():
            name = f"tables/{table.name}.jsonl"
            with tempfile.TemporaryFile() as lines:
                summed = hashlib.sha256()
                for line in dump.iter_lines(connection, table):
                    lines.write(line + b"\n")
                    summed.update(line + b"\n")
                    counts["rows"] += 1
                    if table.name == "blob":
                        held.add(str(orjson.loads(line)["digest"]))
                size = lines.tell()
                lines.seek(0)
                digests[name] = summed.hexdigest()
                _add(archive, name, lines, size)
    return held


def _private(folder: Path) -> Iterator[Path]:
    """Yield what belongs to the cloud besides database and blobs: keys, options, rules."""
    for path in sorted(folder.iterdir()):
        of_the_moment = path.name.startswith((".", core.DATABASE_NAME)) or path.suffix == ".lock"
        if of_the_moment or path.is_symlink() or not path.is_file():
            continue
        if path.stat().st_size <= MAX_FILE_BYTES:
            yield path


def _add(archive: tarfile.TarFile, name: str, content: IO[bytes] | Any, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o600, int(Clock().now().timestamp())
    archive.addfile(entry, content)


@contextmanager
def _written(target: Path) -> Iterator[IO[bytes]]:
    """Give a file that appears under its name whole and durable, or not at all."""
    number, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(number, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _checked(archive: tarfile.TarFile) -> dict[str, Any]:
    """Read all of the archive once; return the manifest."""
    found: dict[str, str] = {}
    manifest: dict[str, Any] = {}
    for entry in archive:
        if not entry.isreg():
            raise BadRequest(f"{entry.name[:80]!r} is no file: this is no backup of ours")
        if entry.name == "manifest.json":
            manifest = orjson.loads(b"".join(_chunks(archive, entry)))
            continue
        summed = hashlib.sha256()
        for chunk in _chunks(archive, entry):
            summed.update(chunk)
        found[entry.name] = summed.hexdigest()
    if manifest.get("format") not in (FORMAT, FORMAT_SEPARATE):
        raise BadRequest("there is no manifest of a format this release reads")
    wanted: dict[str, str] = manifest["sha256"]
    for name, digest in found.items():
        place, _, rest = name.partition("/")
        right = rest if place == "blobs" else wanted.get(name)
        if digest != right or not _is_plain(place, rest):
            raise BadRequest(f"{name[:80]!r} in the backup is damaged or does not belong there")
    lost = sorted(set(wanted) - set(found))
    blobs = sum(name.startswith("blobs/") for name in found)
    if lost or blobs != manifest["counts"]["blobs"]:
        raise BadRequest(f"the backup lacks {lost[0] if lost else 'blobs'}")
    if manifest["revision"] not in migrate.revisions():
        raise BadRequest(
            f"the backup is at revision {manifest['revision']}, which release {__version__} does "
            f"not know: restore with release {manifest['release']} or a later one"
        )
    return manifest


def _is_plain(place: str, rest: str) -> bool:
    if f"{place}/{rest}" == SHARED_KEY:
        return True
    return (
        place in ("tables", "blobs", "files")
        and rest != ""
        and not rest.startswith(".")
        and not {"/", "\0"} & set(rest)
    )


def _chunks(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Iterator[bytes]:
    content = archive.extractfile(entry)
    assert content is not None
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def _of(archive: tarfile.TarFile, place: str) -> Iterator[tuple[str, tarfile.TarInfo]]:
    for entry in archive.getmembers():
        start, _, rest = entry.name.partition("/")
        if start == place:
            yield rest, entry


def _target(archive: tarfile.TarFile, folder: Path, given: Sequence[Path]) -> str:
    """Return the URL of the database to fill; it has no rows.

    :raises Conflict: it has, or is of another revision
    """
    place = folder / core.DATABASE_NAME
    if place.exists():
        raise Conflict(f"{place} exists: restore into another state directory, or move it away")
    folder.chmod(0o700)
    _write_files(archive, folder, only=CONFIGURATION)
    url = core.database_url(folder, given)
    if not is_sqlite(url) and migrate.present(url) is not None:
        if migrate.present(url) != migrate.head():
            raise Conflict("the database is not empty: restore into an empty one")
        with dump.snapshot(url) as connection:
            if not dump.is_empty(connection):
                raise Conflict("the database is not empty: restore into an empty one")
    return url


def _write_files(
    archive: tarfile.TarFile,
    folder: Path,
    only: str | None = None,
    apart: tuple[Path, bytes] | None = None,
) -> None:
    for name, entry in _of(archive, "files"):
        path = folder / name
        if only not in (None, name) or (name == CONFIGURATION and path.exists()):
            continue
        if apart is not None and path == apart[0]:
            continue
        path.parent.mkdir(mode=0o700, exist_ok=True)
        _replace(path, _chunks(archive, entry))


def _replace(path: Path, chunks: Iterable[bytes]) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for chunk in chunks:
            file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _write_blobs(archive: tarfile.TarFile, storage: Storage) -> None:
    for digest, entry in _of(archive, "blobs"):
        if not storage.exists(digest):
            storage.put(_chunks(archive, entry), entry.size)


def _write_rows(archive: tarfile.TarFile, folder: Path, url: str) -> None:
    """Fill the database: an SQLite file beside its place first, a server in one transaction."""
    entries = {name.removesuffix(".jsonl"): entry for name, entry in _of(archive, "tables")}
    if not is_sqlite(url):
        _fill(archive, entries, url)
        return
    place = folder / core.DATABASE_NAME
    fresh = folder / f".{core.DATABASE_NAME}.restoring"
    fresh.unlink(missing_ok=True)
    _fill(archive, entries, sqlite_url(fresh))
    fresh.chmod(0o600)
    fresh.rename(place)


def _fill(archive: tarfile.TarFile, entries: dict[str, tarfile.TarInfo], url: str) -> None:
    migrate.upgrade(url)
    with dump.loading(url) as connection:
        for table in dump.tables():
            if table.name in entries:
                content = archive.extractfile(entries[table.name])
                assert content is not None
                dump.load(connection, table.name, content)
        unknown = set(entries) - {table.name for table in dump.tables()}
        if unknown:
            raise BadRequest(f"the backup has an unknown table {sorted(unknown)[0][:64]}")


def guarded(folder: Path, work: Callable[[], Result]) -> Result:
    """Do something while no conductor runs on the state directory.

    :raises ConductorRuns: one runs
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = core.lock(folder)
    try:
        return work()
    finally:
        os.close(held)

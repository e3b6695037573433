"""The plugins on the board's disk: install, find, list, uninstall.

A version is the folder ``plugins/<plugin>/<digest>/``.  It appears by one rename of a complete and
flushed folder, so that whatever is there is whole; what an interruption left is in ``staging/``,
which is emptied at start.  Methods block on the disk: worker thread, except where noted.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import IO

from lightning_agent.errors import DigestMismatch, PluginNotInstalled, StorageFailed
from lightning_agent.sandbox.bundle import find_entry, remove_tree, unpack

_CHUNK_BYTES = 64 * 1024


class PluginStore:
    """The plugins below one state directory.

    :param state_dir: existing folder; ``plugins`` and ``staging`` are made below it
    """

    def __init__(self, state_dir: Path) -> None:
        self._plugins = state_dir / "plugins"
        self._staging = state_dir / "staging"

    def prepare(self) -> None:
        """Make the folders and throw away what an interrupted installation left."""
        remove_tree(self._staging)
        self._plugins.mkdir(mode=0o755, exist_ok=True)
        self._staging.mkdir(mode=0o700, exist_ok=True)

    def install(
        self, plugin: str, digest: str, bundle: Path, bundle_format: str, used: frozenset[str]
    ) -> None:
        """Install the file ``bundle`` as version ``digest`` of ``plugin``; idempotent.

        Other versions of the plugin are removed unless they are in ``used``.

        :param digest: SHA-256 of the file, hex
        :param used: digests of versions that are running
        :raises DigestMismatch: the file has another digest
        :raises BundleRefused: the bundle breaks a rule
        :raises StorageFailed: the disk is full or the file is not readable
        """
        target = self._plugins / plugin / digest
        if not target.is_dir():
            try:
                with bundle.open("rb") as opened:
                    _check_digest(opened, digest)
                    self._install(opened, bundle_format, target)
            except OSError as error:
                raise StorageFailed(f"the bundle could not be installed: {error}") from error
        for other in self._versions(plugin):
            if other not in (digest, *used):
                self._discard(self._plugins / plugin / other)

    def find(self, plugin: str, digest: str) -> tuple[Path, str]:
        """Return folder and entry file of an installed version; any thread.

        :raises PluginNotInstalled: it is not there
        """
        folder = self._plugins / plugin / digest
        entry = find_entry(folder)
        if entry is None:
            raise PluginNotInstalled(f"plugin {plugin} is not on the board in this version")
        return folder, entry

    def list_installed(self) -> list[dict[str, str]]:
        """Return ``{"plugin", "digest"}`` of every version, sorted; any thread."""
        return [
            {"plugin": plugin.name, "digest": digest}
            for plugin in sorted(self._plugins.iterdir())
            for digest in self._versions(plugin.name)
        ]

    def uninstall(self, plugin: str) -> bool:
        """Remove all versions of ``plugin``; return whether there was one."""
        folder = self._plugins / plugin
        if not folder.is_dir():
            return False
        self._discard(folder)
        return True

    def _install(self, opened: IO[bytes], bundle_format: str, target: Path) -> None:
        staging = Path(tempfile.mkdtemp(dir=self._staging))
        try:
            unpack(opened, bundle_format, staging)
            target.parent.mkdir(mode=0o755, exist_ok=True)
            staging.rename(target)
            _flush(target.parent)
            _flush(self._plugins)
        finally:
            remove_tree(staging)

    def _versions(self, plugin: str) -> list[str]:
        folder = self._plugins / plugin
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def _discard(self, folder: Path) -> None:
        """Take ``folder`` away by one rename, then remove it at leisure."""
        aside = Path(tempfile.mkdtemp(dir=self._staging)) / "discarded"
        try:
            folder.rename(aside)
        except OSError as error:
            raise StorageFailed(f"the plugin could not be removed: {error}") from error
        _flush(folder.parent)
        remove_tree(aside.parent)


def _check_digest(opened: IO[bytes], digest: str) -> None:
    computed = hashlib.sha256()
    while chunk := opened.read(_CHUNK_BYTES):
        computed.update(chunk)
    if computed.hexdigest() != digest:
        raise DigestMismatch("the bundle has another digest than announced")


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The boards as logins need them: keys, projects and names, in memory.

Filled page by page from the conductor at the start and after every connection
to the core; the conductor tells each change in between. Reactor thread only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PAGE = 2000
"""Boards in one page of the directory."""

PAGE_LIMIT_S = 10.0
"""Seconds for one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One board; ``public_key`` is ``None`` until it has enrolled."""

    board: str
    public_key: str | None
    project: str
    name: str

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Entry:
        """Build an entry from a row of the conductor's ``directory``."""
        key = row.get("public_key")
        return cls(
            board=str(row["uuid"]),
            public_key=str(key) if key else None,
            project=str(row.get("project") or ""),
            name=str(row.get("name") or ""),
        )


class Directory:
    """What the wamp agent knows of all boards."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._changed: set[str] | None = None
        self.loaded = False

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._entries))

    def __contains__(self, board: object) -> bool:
        return board in self._entries

    def find(self, board: str) -> Entry | None:
        """Return the board's entry."""
        return self._entries.get(board)

    def put(self, entry: Entry) -> Entry | None:
        """Add or replace a board.

        :returns: the entry it had before
        """
        before = self._entries.get(entry.board)
        self._entries[entry.board] = entry
        self._note(entry.board)
        return before

    def remove(self, board: str) -> bool:
        """Forget a board.

        :returns: whether it was known
        """
        self._note(board)
        return self._entries.pop(board, None) is not None

    def begin_reload(self) -> None:
        """Start to read a snapshot; changes told meanwhile outrank it."""
        self._changed = set()

    def finish_reload(self, rows: Iterable[Mapping[str, Any]]) -> list[str]:
        """Take the snapshot over.

        :returns: the boards that were known and are gone
        """
        changed = self._changed or set()
        entries = {}
        for row in rows:
            entry = Entry.from_row(row)
            if entry.board not in changed:
                entries[entry.board] = entry
        for board in changed & self._entries.keys():
            entries[board] = self._entries[board]
        gone = [board for board in self._entries if board not in entries]
        self._entries = entries
        self._changed = None
        self.loaded = True
        return gone

    def _note(self, board: str) -> None:
        if self._changed is not None:
            self._changed.add(board)


async def load_directory(
    directory: Directory, call: Callable[[str, str, dict[str, Any], float], Awaitable[Any]]
) -> list[str]:
    """Read all boards from the conductor, page by page.

    :param call: asks the conductor: namespace, method, arguments, seconds
    :returns: the boards that were known and are gone
    :raises errors.Error: a page was not answered; what was known stays
    """
    directory.begin_reload()
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        asked = {"after": after, "limit": PAGE}
        page = await call("board", "directory", asked, PAGE_LIMIT_S)
        rows += page["boards"]
        after = page.get("next")
    return directory.finish_reload(rows)

"""The directory of boards under snapshots and changes at once."""

from __future__ import annotations

from iotronic_mec.wamp.directory import Directory, Entry


def row(board: str, key: str = "k") -> dict[str, str]:
    """Return a row of the conductor's directory."""
    return {"uuid": board, "public_key": key, "project": "p", "name": "n"}


def entry(board: str, key: str = "k") -> Entry:
    """Return a board's entry."""
    return Entry(board=board, public_key=key, project="p", name="n")


def loaded(*boards: str) -> Directory:
    """Return a directory with these boards."""
    directory = Directory()
    directory.begin_reload()
    directory.finish_reload([row(board) for board in boards])
    return directory


def test_it_is_loaded_after_the_first_snapshot() -> None:
    """Before, an absent board means nothing."""
    directory = Directory()

    assert not directory.loaded
    assert loaded("a").loaded


def test_a_snapshot_tells_who_is_gone() -> None:
    """Boards deleted while the link was down."""
    directory = loaded("a", "b")

    directory.begin_reload()
    gone = directory.finish_reload([row("b"), row("c")])

    assert gone == ["a"]
    assert list(directory) == ["b", "c"]


def test_a_change_during_a_reload_outranks_the_snapshot() -> None:
    """The snapshot was read before it."""
    directory = loaded("a", "b")
    directory.begin_reload()
    directory.put(entry("new"))
    directory.put(entry("b", "fresh"))
    directory.remove("a")

    gone = directory.finish_reload([row("a"), row("b", "stale")])

    assert gone == []
    assert "a" not in directory
    assert directory.find("b") == entry("b", "fresh")
    assert "new" in directory


def test_put_returns_what_was_there() -> None:
    """A changed key has to end the old session."""
    directory = loaded("a")

    before = directory.put(entry("a", "other"))

    assert before is not None
    assert before.public_key == "k"


def test_a_board_without_a_key_is_known() -> None:
    """An empty key is none."""
    assert Entry.from_row(row("a", "")).public_key is None

"""Bundles: whatever an archive says, nothing leaves its folder and no limit is passed."""

from __future__ import annotations

import io
import os
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_agent.errors import BundleRefused
from lightning_agent.sandbox.bundle import BundleLimits, check_names, find_entry, unpack
from tests.agent.supervised import make_zip

SMALL = BundleLimits(
    archive_bytes=100_000, files=10, file_bytes=10_000, total_bytes=20_000, depth=3
)

PLAIN_PARTS = st.text("abcABC0189_-. é", min_size=1, max_size=8).filter(
    lambda part: part not in (".", "..")
)
ODD_PARTS = st.sampled_from(["", ".", "..", "/", "\\", "a:b", "\n", "plugin.py", "ﬀ", "FF"])
NAMES = st.lists(PLAIN_PARTS | ODD_PARTS, min_size=1, max_size=5).map("/".join)


def _zip(members: list[tuple[zipfile.ZipInfo | str, bytes]]) -> io.BytesIO:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for member, content in members:
            archive.writestr(member, content)
    return packed


def _member(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = mode << 16
    return member


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(NAMES, st.binary(max_size=50)), max_size=6))
@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_whatever_the_names_nothing_leaves_the_folder(members: list[tuple[str, bytes]]) -> None:
    """An archive is refused, or unpacked with every file inside the folder and as it was."""
    packed = _zip([("plugin.py", b"pass"), *((name or "/", content) for name, content in members)])
    with tempfile.TemporaryDirectory() as top:
        inside = Path(top, "inside")
        inside.mkdir()
        try:
            unpack(packed, "zip", inside)
        except BundleRefused:
            assert os.listdir(top) == ["inside"]
            return

        assert os.listdir(top) == ["inside"]
        found = {
            str(path.relative_to(inside)): path.read_bytes()
            for path in inside.rglob("*")
            if path.is_file() and not path.is_symlink()
        }
        wanted = {name: content for name, content in members if not name.endswith("/")}
        assert found == {"plugin.py": b"pass", **wanted}


@settings(max_examples=150, deadline=None)
@given(st.lists(NAMES, max_size=6))
def test_accepted_names_are_plain_and_differ(names: list[str]) -> None:
    """Names that pass the check are relative, stay below, and differ by more than case."""
    try:
        check_names(names)
    except BundleRefused:
        return

    files = [name for name in names if not name.endswith("/")]
    assert len({name.casefold() for name in files}) == len(files)
    for name in names:
        assert not name.startswith("/")
        assert ".." not in name.split("/")
        assert os.path.normpath(f"/top/{name}").startswith("/top/")


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 300))
def test_a_damaged_archive_is_refused_or_unpacked(noise: bytes, place: int) -> None:
    """Bytes written over an archive at any place raise nothing but the refusal."""
    whole = bytearray(make_zip({"plugin.py": b"pass", "data.txt": b"content" * 10}))
    whole[place : place + len(noise)] = noise
    with tempfile.TemporaryDirectory() as folder:
        try:
            unpack(io.BytesIO(bytes(whole)), "zip", Path(folder))
        except BundleRefused:
            return
        assert find_entry(Path(folder)) is not None


@pytest.mark.parametrize(
    "names",
    [
        ["/etc/passwd"],
        ["../up"],
        ["a/../../up"],
        ["./a"],
        ["a//b"],
        [""],
        ["/"],
        ["C:/a"],
        ["a\\b"],
        ["a\nb"],
        ["a", "a"],
        ["a", "A"],
        ["é", "e\u0301"],
        ["A/x", "a/y"],
        ["a", "a/b"],
        ["a/b", "A"],
        ["x" * 256],
        ["/".join("abcdefghijklmnopqr")],
    ],
)
def test_names_that_trick_are_refused(names: list[str]) -> None:
    """Absolute, upward, odd, double, case-colliding and over-long names are refused."""
    with pytest.raises(BundleRefused):
        check_names(names)


def test_ordinary_names_are_accepted() -> None:
    """Positive control: an ordinary package passes."""
    check_names(
        ["plugin.py", "near/", "near/__init__.py", "near/é.txt", "data/1.bin", "data/2.bin"]
    )


@pytest.mark.parametrize(
    "mode",
    [
        stat.S_IFLNK | 0o777,
        stat.S_IFBLK | 0o600,
        stat.S_IFCHR | 0o600,
        stat.S_IFIFO | 0o600,
        stat.S_IFSOCK | 0o600,
        stat.S_IFDIR | 0o755,
        stat.S_IFREG | stat.S_ISUID | 0o755,
        stat.S_IFREG | stat.S_ISGID | 0o755,
        stat.S_IFREG | stat.S_ISVTX | 0o755,
    ],
    ids=["link", "block", "character", "fifo", "socket", "folder", "setuid", "setgid", "sticky"],
)
def test_special_files_are_refused(tmp_path: Path, mode: int) -> None:
    """Links, devices and special bits are refused, whatever they are called."""
    packed = _zip([("plugin.py", b""), (_member("data", mode), b"/etc/passwd")])

    with pytest.raises(BundleRefused):
        unpack(packed, "zip", tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_an_ordinary_mode_is_accepted_and_not_kept(tmp_path: Path) -> None:
    """Positive control: an ordinary file passes; it is neither executable nor group-writable."""
    packed = _zip([("plugin.py", b""), (_member("data", stat.S_IFREG | 0o777), b"content")])

    unpack(packed, "zip", tmp_path)

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("files", "accepted"),
    [
        ({"a": os.urandom(10_000)}, True),
        ({"a": os.urandom(10_001)}, False),
        ({"a": os.urandom(9_000), "b": os.urandom(9_000)}, True),
        ({"a": os.urandom(9_000), "b": os.urandom(9_000), "c": os.urandom(9_000)}, False),
        ({str(number): b"" for number in range(9)}, True),
        ({str(number): b"" for number in range(10)}, False),
        ({"a/b/c/d": b""}, True),
        ({"a/b/c/d/e": b""}, False),
    ],
)
def test_sizes_are_limited(tmp_path: Path, files: dict[str, bytes], accepted: bool) -> None:
    """Each limit lets through what is just below it."""
    packed = io.BytesIO(make_zip({"plugin.py": b"", **files}))

    assert _is_accepted(packed, tmp_path, SMALL) is accepted


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    """Ten megabytes of zeros in ten kilobytes are refused before they are written."""
    packed = io.BytesIO(make_zip({"plugin.py": b"", "zeros": bytes(10 * 1024 * 1024)}))

    assert not _is_accepted(packed, tmp_path, BundleLimits())
    assert list(tmp_path.iterdir()) == []


def test_an_archive_that_lies_about_sizes_is_refused(tmp_path: Path) -> None:
    """A member that unpacks to more than its entry says is cut off and refused."""
    whole = bytearray(make_zip({"plugin.py": b"", "zeros": bytes(1000)}))
    place = whole.rindex(b"PK\x01\x02")
    struct.pack_into("<I", whole, place + 24, 10)

    assert not _is_accepted(io.BytesIO(bytes(whole)), tmp_path, BundleLimits())


def test_a_name_with_a_zero_byte_is_refused(tmp_path: Path) -> None:
    """A name that readers in C and in Python would see differently is refused."""
    whole = make_zip({"plugin.py": b"", "aXb": b"content"}).replace(b"aXb", b"a\0b")

    assert not _is_accepted(io.BytesIO(whole), tmp_path, BundleLimits())


@pytest.mark.parametrize("bundle_format", ["tar", "", "exe"])
def test_other_formats_are_refused(tmp_path: Path, bundle_format: str) -> None:
    """A bundle is a .py or a .zip."""
    with pytest.raises(BundleRefused):
        unpack(io.BytesIO(b"content"), bundle_format, tmp_path)


def test_a_bundle_without_an_entry_is_refused(tmp_path: Path) -> None:
    """An archive must have plugin.py or main.py at its root; deeper does not count."""
    packed = io.BytesIO(make_zip({"deep/plugin.py": b""}))

    assert not _is_accepted(packed, tmp_path, BundleLimits())


@pytest.mark.parametrize(
    ("names", "entry"),
    [
        (["plugin.py"], "plugin.py"),
        (["main.py"], "main.py"),
        (["main.py", "plugin.py"], "plugin.py"),
    ],
)
def test_the_entry_is_found(tmp_path: Path, names: list[str], entry: str) -> None:
    """plugin.py is preferred to main.py."""
    unpack(io.BytesIO(make_zip(dict.fromkeys(names, b""))), "zip", tmp_path)

    assert find_entry(tmp_path) == entry


def _is_accepted(packed: io.BytesIO, folder: Path, limits: BundleLimits) -> bool:
    try:
        unpack(packed, "zip", folder, limits)
    except BundleRefused:
        return False
    return True

"""Checks of uploaded programs: what is refused, and by which rule."""

from __future__ import annotations

import io
import stat
import struct
import time
import zipfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iotronic_mec import bundle
from iotronic_mec.bundle import BadBundle, check_archive, check_source

PROGRAM = b"def main(context):\n    return 1\n"

UPSTREAM = b"""
from iotronic_lightningrod.modules.plugins import Plugin

class Worker(Plugin.Plugin):
    def __init__(self, uuid, name, q_result=None, params=None):
        super(Worker, self).__init__(uuid, name, q_result, params)

    def run(self):
        self.q_result.put("hello " + self.params["name"])
"""


def archive(
    *entries: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED, program: bool = True
) -> bytes:
    """Return an archive with a program and further entries."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        if program:
            made.writestr("plugin.py", PROGRAM)
        for name, content in entries:
            made.writestr(name, content)
    return file.getvalue()


def rule(content: bytes) -> str:
    """Return the rule an archive breaks."""
    with pytest.raises(BadBundle) as caught:
        check_archive(io.BytesIO(content), len(content))
    assert caught.value.message
    return str(caught.value.details["rule"])


def with_entry(change: Callable[[zipfile.ZipInfo], None], content: bytes = b"x") -> bytes:
    """Return an archive with one entry described in an unusual way."""
    file = io.BytesIO()
    entry = zipfile.ZipInfo("data")
    change(entry)
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("plugin.py", PROGRAM)
        made.writestr(entry, content)
    return file.getvalue()


def named(name: str) -> bytes:
    """Return an archive with an entry whose name is written as it is."""
    if not name.isascii():
        return archive((name, b"1"))
    wanted = name.encode()
    stand_in = "x" * len(wanted)
    return archive((stand_in, b"1")).replace(stand_in.encode(), wanted)


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(PROGRAM, id="ours"),
        pytest.param(UPSTREAM, id="upstream's Worker"),
        pytest.param("x = 'é'\n".encode(), id="not ASCII"),
        pytest.param(b"\xef\xbb\xbfx = 1\n", id="byte order mark"),
        pytest.param(b"x = 1\r\ny = '\\d'\r\n", id="other line ends, odd escape"),
    ],
)
def test_takes_programs(source: bytes) -> None:
    """Python programs pass, whatever contract they follow."""
    check_source(source)


@pytest.mark.parametrize(
    ("source", "rule", "line"),
    [
        pytest.param(b"", "empty", None, id="empty"),
        pytest.param(b" \n\t\n", "empty", None, id="blank"),
        pytest.param(b"x = 1\nx = \xff\n", "encoding", 2, id="not UTF-8"),
        pytest.param(b"x = 1\n\n\0", "encoding", 3, id="null"),
        pytest.param(b"x = 1\ndef f(:\n", "syntax", 2, id="syntax"),
        pytest.param(b"if x:\ny = 1\n", "syntax", 2, id="indentation"),
        pytest.param(b"(" * 300 + b")" * 300, "syntax", 1, id="parentheses"),
        pytest.param(b"-" * 60_000 + b"1", "syntax", None, id="deep unary"),
        pytest.param(b"a" + b".a" * 30_000, "syntax", None, id="deep attributes"),
        pytest.param(b"x = " + b"9" * 5000, "syntax", 1, id="long number"),
        pytest.param(b"#" * 1_048_577, "size", None, id="too large"),
    ],
)
def test_refuses_what_is_no_program(source: bytes, rule: str, line: int | None) -> None:
    """Each refusal names its rule, and the line where there is one."""
    with pytest.raises(BadBundle) as caught:
        check_source(source)

    assert caught.value.details["rule"] == rule
    assert caught.value.details.get("line") == line


def test_large_source_is_left_to_the_board() -> None:
    """Source over the parser's bound is taken without a look at its syntax."""
    started = time.monotonic()

    check_source(b"x = f'" + b"{a}" * 340_000 + b"'\n")

    assert time.monotonic() - started < 1


@given(st.binary(max_size=200))
def test_any_bytes_pass_or_are_refused(source: bytes) -> None:
    """Whatever the bytes are, the outcome is a pass or a refusal."""
    try:
        check_source(source)
    except BadBundle as error:
        assert error.http_status == 400


@pytest.mark.parametrize("program", ["plugin.py", "main.py"])
def test_takes_archives(program: str) -> None:
    """A program with data beside it and in folders passes."""
    content = archive(
        (program, PROGRAM),
        ("model/", b""),
        ("model/digits.tflite", b"\0" * 5000),
        ("étiquettes.txt", b"0\n1\n"),
        program=False,
    )

    check_archive(io.BytesIO(content), len(content))


def test_needs_a_program() -> None:
    """An archive without plugin.py or main.py at its root is refused."""
    assert rule(archive(("src/plugin.py", PROGRAM), program=False)) == "program"
    assert rule(archive(("plugin.py/", b""), program=False)) == "program"


def test_program_must_be_python() -> None:
    """The program inside is checked as one that comes alone."""
    assert rule(archive(("main.py", b"def f(:\n"), program=False)) == "syntax"
    large = archive(("main.py", b"#" * 1_048_577), method=zipfile.ZIP_STORED, program=False)
    assert rule(large) == "size"


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive at all", b"PK\x05\x06" + b"\0" * 10])
def test_refuses_what_is_no_archive(content: bytes) -> None:
    """Bytes that are no archive are refused."""
    assert rule(content) == "zip"


@pytest.mark.parametrize(
    "name",
    [
        "../plugin.py",
        "a/../../b",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/.",
        "a\\b",
        "..\\b",
        "C:evil",
        "a\nb",
        "a\0b",
        "a\x1bb",
        "\u202egnp.exe",
        "n" * 256,
        "/".join(["folder"] * 200),
    ],
)
def test_refuses_tricks_with_paths(name: str) -> None:
    """No path leaves the folder, hides, or reads differently elsewhere."""
    assert rule(named(name)) == "path"


@given(st.text(min_size=1, max_size=30))
def test_accepted_paths_stay_inside(name: str) -> None:
    """Whatever name passes, it is relative and has no step upwards."""
    if not bundle._is_plain(name):
        return

    parts = name.removesuffix("/").split("/")

    assert ".." not in parts
    assert "" not in parts
    assert not name.startswith("/")
    assert "\\" not in name


def test_refuses_what_is_no_file() -> None:
    """Symbolic links, devices and sockets are refused."""

    def link(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16

    def device(entry: zipfile.ZipInfo) -> None:
        entry.external_attr = (stat.S_IFBLK | 0o600) << 16

    assert rule(with_entry(link, b"/etc/passwd")) == "kind"
    assert rule(with_entry(device)) == "kind"


def test_refuses_other_methods() -> None:
    """Only stored and deflated entries can be read on every board."""
    assert rule(archive(("data", b"x" * 100), method=zipfile.ZIP_BZIP2)) == "method"
    assert rule(archive(("data", b"x" * 100), method=zipfile.ZIP_LZMA)) == "method"


def test_refuses_encrypted_entries() -> None:
    """An encrypted entry cannot be unpacked by a board."""
    content = bytearray(archive(("data", b"x")))
    at = content.rindex(b"PK\x01\x02")
    content[at + 8] |= 1

    assert rule(bytes(content)) == "encrypted"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_refuses_one_path_twice() -> None:
    """Which of two entries a reader takes differs: neither is taken."""
    assert rule(archive(("data", b"1"), ("data", b"2"))) == "twice"
    assert rule(archive(("data", b"1"), ("data/", b""))) == "twice"
    assert rule(archive(("data", b"1"), ("data/inner", b"2"))) == "twice"


def test_refuses_too_many_entries() -> None:
    """One entry over the bound is too many, told before the archive is read."""
    empty = [(f"f{number}", b"") for number in range(bundle.MAX_ENTRIES)]

    assert rule(archive(*empty, method=zipfile.ZIP_STORED)) == "entries"


def test_refuses_a_directory_that_lies() -> None:
    """A declared number of entries that is not the real one is refused."""
    content = bytearray(archive(("data", b"x")))
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<2H", content, end + 8, 1, 1)

    assert rule(bytes(content)) == "directory"


def test_refuses_zip64() -> None:
    """The large form of the format is not needed and not taken."""
    content = archive()
    end = content.rindex(b"PK\x05\x06")
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 0, 1)

    assert rule(content[:end] + locator + content[end:]) == "zip64"


def test_refuses_bombs() -> None:
    """A small archive that unpacks to much is refused by its ratio."""
    assert rule(archive(("zeros", b"\0" * 4_000_000))) == "ratio"


def test_refuses_what_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of the unpacked files is bounded."""
    monkeypatch.setattr(bundle, "MAX_UNPACKED_BYTES", 1000)

    assert rule(archive(("data", bytes(range(256)) * 5))) == "unpacked"


def test_refuses_entries_that_overlap() -> None:
    """Two entries that share their bytes are refused."""
    content = bytearray(archive(("data", b"abc" * 50)))
    at = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, at + 42, 5)

    assert rule(bytes(content)) in ("overlap", "zip")


@given(st.binary(max_size=60), st.integers(0, 300))
def test_damaged_archives_pass_or_are_refused(noise: bytes, at: int) -> None:
    """However an archive is damaged, the outcome is a pass or a refusal."""
    content = bytearray(archive(("data", b"abc" * 20)))
    content[at : at + len(noise)] = noise

    try:
        check_archive(io.BytesIO(bytes(content)), len(content))
    except BadBundle as error:
        assert error.http_status == 400

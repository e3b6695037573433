"""Bundles that are tricks (attack 77), and models that are none (attack 78)."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

MODEL = Path(__file__).resolve().parents[2] / "examples/digits_camera/digits_int8.tflite"

PLUGIN = b"def main(context):\n    return 'ran'\n"

LOAD = b"""
def main(context, file):
    context.model(f"{file}.tflite")
    return "loaded"
"""

Members = list[tuple[zipfile.ZipInfo, bytes]]


def member(name: str, mode: int = 0o100644) -> zipfile.ZipInfo:
    """Return an entry of an archive with a mode."""
    made = zipfile.ZipInfo(name)
    made.create_system = 3
    made.external_attr = mode << 16
    made.compress_type = zipfile.ZIP_DEFLATED
    return made


def packed(*members: tuple[zipfile.ZipInfo, bytes]) -> bytes:
    """Return an archive with a plugin and ``members``."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in ((member("plugin.py"), PLUGIN), *members):
            archive.writestr(entry, content)
    return held.getvalue()


def honest() -> bytes:
    """Return a package with a folder, an executable bit and files that compress well."""
    return packed(
        (member("data/words.txt"), b"words\n" * 500), (member("run.sh", 0o100755), b"exit 0\n")
    )


TRICKS: dict[str, Callable[[], bytes]] = {
    "zip bomb": lambda: packed((member("zeros"), bytes(60_000_000))),
    "parent folder": lambda: packed((member("../../escaped"), b"x")),
    "absolute name": lambda: packed((member("/escaped"), b"x")),
    "link out": lambda: packed((member("out", stat.S_IFLNK | 0o777), b"/etc/shadow")),
    "setuid bit": lambda: packed((member("root", 0o104755), b"x")),
    "many files": lambda: packed(*((member(f"f{number}"), b"") for number in range(5000))),
    "name clash": lambda: packed((member("PLUGIN.py"), b"x")),
    "device": lambda: packed((member("disk", stat.S_IFBLK | 0o600), b"")),
}
"""What an archive may try → the archive."""


def is_a_trick(name: str, content: bytes, folder: Path) -> bool:
    """Unpack an archive as a careless program would; return whether that does harm.

    :param folder: throw-away; ``top/inside`` in it is where the archive should stay
    """
    inside = folder / "top" / "inside"
    inside.mkdir(parents=True)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        if name == "zip bomb":
            return sum(entry.file_size for entry in members) > 100 * len(content)
        if name == "many files":
            return len(members) > 2000
        if name == "name clash":
            return len({entry.filename.casefold() for entry in members}) < len(members)
        for entry in members:
            carelessly(archive, entry, inside)
    found = {
        "parent folder": (folder / "escaped").exists(),
        "absolute name": (inside / "escaped").exists() is False,
        "link out": (inside / "out").is_symlink(),
        "setuid bit": has_setuid(inside / "root"),
        "device": any(stat.S_ISBLK(entry.external_attr >> 16) for entry in members),
    }
    return found[name]


def carelessly(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, inside: Path) -> None:
    """Write one entry where its name says, with the mode it wants; never outside the test."""
    mode = entry.external_attr >> 16
    if entry.filename.startswith("/") or stat.S_ISBLK(mode):
        return  # os.path.join would leave the folder, mknod make the device
    target = os.path.join(inside, entry.filename)
    if stat.S_ISLNK(mode):
        os.symlink(archive.read(entry).decode(), target)
        return
    with open(target, "wb") as file:
        file.write(archive.read(entry))
    os.chmod(target, stat.S_IMODE(mode))


def has_setuid(path: Path) -> bool:
    """Return whether a file runs as its owner."""
    return path.exists() and bool(path.stat().st_mode & stat.S_ISUID)


def real_model() -> bytes:
    """Return a model that is one."""
    return MODEL.read_bytes()


MODELS: dict[str, Callable[[], bytes]] = {
    "text": lambda: b"this is no model" * 100,
    "cut": lambda: real_model()[:4000],
    "empty": lambda: b"",
    "zeros": lambda: bytes(20_000),
    "scrambled": lambda: real_model()[:64] + bytes(b ^ 0x55 for b in real_model()[64:]),
}
"""What is no model → its bytes."""

"""Cameras: the file source, the camera's process, and who gets frames."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from lightning_agent.camera import base
from lightning_agent.camera.base import Frame, Subscription
from lightning_agent.camera.fake import FakeCamera
from lightning_agent.camera.file import FileCamera, decode
from lightning_agent.camera.process import serve_subscriber
from lightning_agent.errors import CameraUnavailable, PictureRefused, PluginFailed
from lightning_agent.supervisor.cameras import read_settings
from tests.agent.supervised import Supervised, descendants, sandboxes

Eventually = Callable[[Callable[[], bool]], None]

TAKE = """
def main(context, count, camera="default"):
    taken = []
    for frame in context.camera(camera):
        taken.append([frame.name, frame.sequence, list(frame.pixels.shape)])
        if len(taken) == count:
            break
    return taken
"""


def _png(width: int, height: int) -> bytes:
    """Return a PNG whose header claims a size and whose pixels are not there."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(10))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with one grey and one coloured picture, and a file that is none."""
    Image.new("L", (3, 2), 7).save(tmp_path / "b.png")
    Image.new("RGBA", (4, 5), (1, 2, 3, 4)).save(tmp_path / "a.PNG")
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


def test_pictures_come_sorted_with_their_shape(folder: Path) -> None:
    """Frames are grey (height, width) or RGB (height, width, 3), in order of their names."""
    camera = FileCamera(folder)

    first, second, end = camera.read(), camera.read(), camera.read()

    assert first is not None
    assert second is not None
    assert (first.name, first.pixels.shape, first.sequence) == ("a.PNG", (5, 4, 3), 0)
    assert (second.name, second.pixels.shape, second.sequence) == ("b.png", (2, 3), 1)
    assert first.pixels[0, 0].tolist() == [1, 2, 3]
    assert second.pixels.tolist() == [[7, 7, 7], [7, 7, 7]]
    assert end is None


def test_a_repeating_camera_begins_again(folder: Path) -> None:
    """With repeat the sequence goes on; a rewind begins it anew."""
    camera = FileCamera(folder, repeat=True)
    names = [(frame.name, frame.sequence) for _ in range(3) if (frame := camera.read())]

    camera.rewind()
    again = camera.read()

    assert names == [("a.PNG", 0), ("b.png", 1), ("a.PNG", 2)]
    assert again is not None
    assert (again.name, again.sequence) == ("a.PNG", 0)


@pytest.mark.parametrize(
    "content",
    [b"", b"\x89PNG\r\n\x1a\n", _png(8, 8), _png(4000, 4000), _png(60000, 60000), b"GIF89a" * 20],
    ids=["empty", "cut", "broken", "too large", "bomb", "kind not accepted"],
)
def test_a_bad_picture_is_skipped(folder: Path, content: bytes) -> None:
    """A file that is not a usable picture is refused, and the camera goes on with the next."""
    bad = folder / "aa.png"
    bad.write_bytes(content)
    camera = FileCamera(folder)

    with pytest.raises(PictureRefused):
        decode(bad)
    names = [frame.name for _ in range(2) if (frame := camera.read())]

    assert names == ["a.PNG", "b.png"]
    assert camera.skipped == 1


def test_a_folder_without_a_usable_picture_is_an_error(tmp_path: Path) -> None:
    """An empty or missing folder, and one of bad pictures only, are named as such."""
    with pytest.raises(CameraUnavailable, match="holds no picture"):
        FileCamera(tmp_path)
    with pytest.raises(CameraUnavailable, match="cannot be read"):
        FileCamera(tmp_path / "absent")
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(CameraUnavailable, match="no usable picture"):
        FileCamera(tmp_path).read()


@pytest.fixture
def subscription() -> Callable[[Callable[[socket.socket], None]], Subscription]:
    """Give a function that connects a subscription to a serving function."""

    def connect(serve: Callable[[socket.socket], None]) -> Subscription:
        ours, theirs = socket.socketpair()
        held.append(ours)
        thread = threading.Thread(target=lambda: _serve(serve, theirs))
        threads.append(thread)
        thread.start()
        return Subscription(ours)

    held: list[socket.socket] = []
    threads: list[threading.Thread] = []
    yield connect  # type: ignore[misc]
    for connection in held:
        connection.close()
    for thread in threads:
        thread.join(10)


def _serve(serve: Callable[[socket.socket], None], connection: socket.socket) -> None:
    with connection:
        connection.settimeout(5)
        serve(connection)


Connect = Callable[[Callable[[socket.socket], None]], Subscription]


def test_frames_travel_whole(subscription: Connect) -> None:
    """What the camera sends is what the plugin gets, until the end and after a rewind."""
    found = subscription(lambda connection: serve_subscriber(connection, lambda: FakeCamera(2)))

    frames = list(found)
    found.rewind()
    again = found.read()

    assert [(frame.name, frame.sequence) for frame in frames] == [("fake-0", 0), ("fake-1", 1)]
    assert frames[1].pixels.tolist() == [[1] * 6] * 4
    assert again == frames[0]


def test_a_frame_over_the_limit_is_not_sent() -> None:
    """The camera's end refuses to send more than a frame may have."""
    ours, theirs = socket.socketpair()
    large = Frame(
        content=bytes(base.MAX_FRAME_BYTES + 1),
        height=1,
        width=base.MAX_FRAME_BYTES + 1,
        channels=1,
        name="large",
        sequence=0,
        time=0.0,
    )

    with ours, theirs, pytest.raises(CameraUnavailable):
        base.send_frame(ours, large)


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ({"height": 10**6, "width": 10**6, "channels": 3}, "too large"),
        ({"height": -1, "width": 1, "channels": 1}, "too large"),
        ({"error": "the lens is dirty"}, "the lens is dirty"),
    ],
)
def test_a_hostile_camera_is_refused(
    subscription: Connect, header: dict[str, object], match: str
) -> None:
    """The plugin's end bounds what it takes from the camera's process."""

    def answer(connection: socket.socket) -> None:
        connection.recv(1)
        base.send_header(connection, header)

    found = subscription(answer)

    with pytest.raises(CameraUnavailable, match=match):
        found.read()


def test_a_camera_that_ends_is_an_error(subscription: Connect) -> None:
    """When the camera's process is gone, reading says so."""
    found = subscription(lambda connection: None)

    with pytest.raises(CameraUnavailable, match="process ended"):
        list(found)


def test_a_plugin_takes_frames(shared_supervisor: Supervised) -> None:
    """A plugin with the grant gets the pictures of the owner's folder, in order."""
    taken = shared_supervisor.run(TAKE, cameras=("default",), count=3)

    assert taken == [["000.png", 0, [8, 8]], ["001.png", 1, [8, 8]], ["002.png", 2, [8, 8]]]


@pytest.mark.parametrize(
    ("granted", "camera", "match"),
    [
        ((), "default", "not granted"),
        (("empty",), "default", "not granted"),
        (("absent",), "absent", r"its owner adds \[camera.absent\]"),
        (("empty",), "empty", "holds no picture"),
        (("wrong",), "wrong", "absolute path"),
        (("../x",), "../x", "letters, digits"),
    ],
)
def test_a_camera_that_cannot_be_had_is_explained(
    shared_supervisor: Supervised, granted: tuple[str, ...], camera: str, match: str
) -> None:
    """Without grant, configuration or pictures, the plugin's error says which it is."""
    with pytest.raises(PluginFailed, match=match):
        shared_supervisor.run(TAKE, cameras=granted, camera=camera, count=1)


@pytest.fixture
def photographer(supervised: Supervised) -> Supervised:
    """Give a supervisor of its own with one camera."""
    (supervised.state_dir / "agent.toml").write_text('[camera.default]\nsource = "fake"\n')
    return supervised


def test_runs_share_one_camera_process(photographer: Supervised, eventually: Eventually) -> None:
    """Calls one after the other use the same process, and each begins with the first picture."""
    first = photographer.run(TAKE, cameras=("default",), count=2)
    eventually(lambda: len(sandboxes(photographer)) == 1)
    process = sandboxes(photographer)

    second = photographer.run(TAKE, cameras=("default",), count=2)

    eventually(lambda: len(sandboxes(photographer)) == 1)
    assert first == second == [["fake-0", 0, [4, 6]], ["fake-1", 1, [4, 6]]]
    assert sandboxes(photographer) == process


def test_a_camera_is_taken_up_again_after_its_process_died(
    photographer: Supervised, eventually: Eventually
) -> None:
    """When the camera's process crashes, the next call gets a new one."""
    photographer.run(TAKE, cameras=("default",), count=1)
    eventually(lambda: len(sandboxes(photographer)) == 1)
    (old,) = sandboxes(photographer)

    os.kill(old, 9)
    eventually(lambda: old not in descendants(photographer.process.pid))
    taken = photographer.run(TAKE, cameras=("default",), count=1)

    assert taken == [["fake-0", 0, [4, 6]]]


def test_a_camera_that_dies_during_a_call_is_an_error_of_the_plugin(
    photographer: Supervised, eventually: Eventually
) -> None:
    """A plugin whose camera is gone gets an error instead of waiting for ever."""
    source = (
        "def main(context):\n"
        "    camera = context.camera()\n"
        "    camera.read()\n"
        "    context.log('reading')\n"
        "    while True:\n"
        "        camera.rewind()\n"
        "        camera.read()\n"
    )
    photographer.run(TAKE, cameras=("default",), count=1)
    eventually(lambda: len(sandboxes(photographer)) == 1)
    (camera,) = sandboxes(photographer)
    plugin, digest = photographer.install(source.encode(), plugin="reading")
    number = photographer.client.send(
        "call",
        plugin=plugin,
        digest=digest,
        deadline_s=20.0,
        grants={"cameras": ["default"]},
    )
    other = photographer.connect()
    eventually(lambda: other.request("logs", plugin=plugin)["lines"] != [])
    other.close()

    os.kill(camera, 9)

    with pytest.raises(PluginFailed, match="the camera's process ended"):
        photographer.client.wait(number)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "not configured"),
        ("camera = 3", "not configured"),
        ("[camera.other]\nsource = 'file'\npath = '/tmp'", "not configured"),
        ("[camera.default]\nsource = 'v4l2'", "source must be"),
        ("[camera.default]\nsource = 'file'", "absolute path"),
        ("[camera.default]\nsource = 'file'\npath = '/absent'", "absolute path"),
        ("no toml at all", "unusable"),
    ],
)
def test_settings_that_do_not_work_are_explained(tmp_path: Path, text: str, match: str) -> None:
    """A mistake in the owner's configuration is an error that says what to write."""
    configuration = tmp_path / "agent.toml"
    configuration.write_text(text)

    with pytest.raises(CameraUnavailable, match=match):
        read_settings(configuration, "default")


def test_settings_are_read(tmp_path: Path) -> None:
    """Positive control: source, path and repeat are taken as written."""
    configuration = tmp_path / "agent.toml"
    configuration.write_text(
        f"[camera.default]\nsource = 'file'\npath = {json.dumps(str(tmp_path))}\nrepeat = true\n"
    )

    settings = read_settings(configuration, "default")

    assert (settings.source, settings.path, settings.repeat) == ("file", str(tmp_path), True)

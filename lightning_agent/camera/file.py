"""Camera source ``file``: a folder of pictures, sorted by name.

Pictures are hostile, so this is imported only by the camera process inside its own sandbox
(:mod:`lightning_agent.camera.process`); kind and size are checked before a pixel is decoded.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image, UnidentifiedImageError

from lightning_agent.camera.base import MAX_FRAME_BYTES, Frame
from lightning_agent.clock import Clock
from lightning_agent.errors import CameraUnavailable, PictureRefused

FORMATS = ("PNG", "JPEG", "BMP", "PPM")
"""Kinds of picture that are decoded; each further one is a further decoder to attack."""

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".pgm")
"""Endings of files that are taken for pictures; others are left out silently."""

MAX_FILE_BYTES = 32 * 1024 * 1024
"""Bytes of one picture as a file."""

# Pillow's own check comes while it opens a picture; ours is exact, and follows.
Image.MAX_IMAGE_PIXELS = MAX_FRAME_BYTES

_GREY = ("1", "L", "I;16", "I")


def decode(path: Path) -> tuple[bytes, int, int, int]:
    """Decode the picture at ``path``.

    :returns: pixels, height, width, channels: grey pictures have 1 channel, all others 3 (RGB)
    :raises PictureRefused: not a picture of :data:`FORMATS`, broken, or too large
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PictureRefused(f"{path.name!r} has more than {MAX_FILE_BYTES} bytes")
        return _decode(path)
    except (
        OSError,
        ValueError,
        SyntaxError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:
        raise PictureRefused(f"{path.name!r} is not a usable picture: {error}") from error


def _decode(path: Path) -> tuple[bytes, int, int, int]:
    with Image.open(path, formats=FORMATS) as picture:
        mode, channels = ("L", 1) if picture.mode in _GREY else ("RGB", 3)
        width, height = picture.size
        if width * height * channels > MAX_FRAME_BYTES:
            raise PictureRefused(f"{path.name!r} has more than {MAX_FRAME_BYTES} bytes of pixels")
        picture.load()
        plain = picture if picture.mode == mode else picture.convert(mode)
        return plain.tobytes(), height, width, channels


class FileCamera:
    """Gives the pictures of a folder, sorted by name; what is not a usable picture is skipped.

    :param folder: read once, when the camera is opened
    :param repeat: begin again after the last picture instead of ending
    :raises CameraUnavailable: the folder cannot be read or holds no picture
    """

    def __init__(self, folder: Path, *, repeat: bool = False, clock: Clock | None = None) -> None:
        try:
            found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise CameraUnavailable(f"the camera's folder cannot be read: {error}") from error
        if not found:
            raise CameraUnavailable("the camera's folder holds no picture")
        self._paths = found
        self._repeat = repeat
        self._clock = clock or Clock()
        self._next = 0
        self._sequence = 0
        self.skipped = 0
        """Pictures that were left out because they could not be decoded."""

    def rewind(self) -> None:
        """Begin again with the first picture and sequence number 0."""
        self._next = 0
        self._sequence = 0

    def read(self) -> Frame | None:
        """Return the next usable picture, or ``None`` after the last.

        :raises CameraUnavailable: a whole round held no usable picture
        """
        for _ in range(len(self._paths)):
            if self._next >= len(self._paths):
                if not self._repeat:
                    return None
                self._next = 0
            path = self._paths[self._next]
            self._next += 1
            try:
                return self._frame(path)
            except PictureRefused:
                self.skipped += 1
        if self._next >= len(self._paths) and not self._repeat and self._sequence:
            return None
        raise CameraUnavailable("the camera's folder holds no usable picture")

    def close(self) -> None:
        """Do nothing: no file stays open between frames."""

    def _frame(self, path: Path) -> Frame:
        content, height, width, channels = decode(path)
        sequence = self._sequence
        self._sequence += 1
        return Frame(
            content=content,
            height=height,
            width=width,
            channels=channels,
            name=path.name,
            sequence=sequence,
            time=self._clock.now().timestamp(),
        )

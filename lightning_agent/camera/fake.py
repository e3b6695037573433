"""A camera without a source: pictures computed from their number, for tests and first trials."""

from __future__ import annotations

from lightning_agent.camera.base import Frame


class FakeCamera:
    """Gives ``count`` grey frames whose every pixel is the frame's number modulo 256.

    :param count: frames until the end
    :param height: pixels
    :param width: pixels
    """

    def __init__(self, count: int = 3, height: int = 4, width: int = 6) -> None:
        self._count = count
        self._height = height
        self._width = width
        self._sequence = 0

    def rewind(self) -> None:
        """Begin again with frame 0."""
        self._sequence = 0

    def read(self) -> Frame | None:
        """Return the next frame, or ``None`` after the last; its time is its number in seconds."""
        if self._sequence >= self._count:
            return None
        sequence = self._sequence
        self._sequence += 1
        return Frame(
            content=bytes([sequence % 256]) * (self._height * self._width),
            height=self._height,
            width=self._width,
            channels=1,
            name=f"fake-{sequence}",
            sequence=sequence,
            time=float(sequence),
        )

    def close(self) -> None:
        """Do nothing: there is no source to let go."""

"""An engine without a model: a ten-class classifier that answers by the mean of its input."""

from __future__ import annotations

from typing import Any

import numpy
from numpy.typing import NDArray

from lightning_agent.errors import ModelRefused
from lightning_agent.inference.base import Tensor


class FakeEngine:
    """Gives score 255 to class ``mean % 10`` of a (1, 8, 8, 1) uint8 input, 0 to the others."""

    def __init__(self) -> None:
        self.inputs = (
            Tensor(name="x", shape=(1, 8, 8, 1), dtype="uint8", scale=1 / 255, zero_point=0),
        )
        self.outputs = (
            Tensor(name="y", shape=(1, 10), dtype="uint8", scale=1 / 256, zero_point=0),
        )

    def run(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return (1, 10) uint8, 0 or 255.

        :param array: (1, 8, 8, 1) uint8, 0..255
        :raises ModelRefused: another shape or dtype
        """
        if array.shape != self.inputs[0].shape or array.dtype != numpy.uint8:
            raise ModelRefused(f"expected (1, 8, 8, 1) uint8, got {array.shape} {array.dtype}")
        scores = numpy.zeros((1, 10), dtype=numpy.uint8)
        scores[0, int(array.mean()) % 10] = 255
        return scores

"""The inference interface: engines, and what their tensors look like.

Quantised tensors hold integers; the real value is ``(integer - zero_point) * scale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """An input or output of a model.

    :param shape: axis lengths, the batch first, e.g. ``(1, 224, 224, 3)`` for batch, height,
        width, channel
    :param dtype: numpy's name of the element type, e.g. ``"uint8"``
    :param scale: real value of one step; 0.0 means that the tensor is not quantised
    :param zero_point: the integer that stands for real 0
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int


class Engine(Protocol):
    """A loaded model; not safe to call from two threads."""

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The model's inputs."""
        ...

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """The model's outputs."""
        ...

    def run(self, array: NDArray[Any]) -> NDArray[Any]:
        """Run the model once on its first input and return a copy of its first output.

        :param array: shape and dtype of ``inputs[0]``; values are not scaled for the caller
        :returns: shape and dtype of ``outputs[0]``, e.g. (1, 10) uint8, 0..255, for ten classes
        :raises ModelRefused: the array does not fit the model
        """
        ...

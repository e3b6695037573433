"""TensorFlow Lite models: ``ai_edge_litert`` where it is installed, else ``tflite_runtime``.

A model file is hostile input to native code, so it is loaded inside the sandbox only; plugins get
an engine from ``context.model(name)``.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from lightning_agent.errors import EngineMissing, ModelRefused, SandboxRefused
from lightning_agent.inference.base import Tensor
from lightning_agent.missing import cure

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")
"""Modules that offer ``Interpreter``, the preferred first: the same int8 model ran 17.8 times
faster under the first one on x86_64, a float model equally fast."""


def find_runtime() -> Any:
    """Return the first module of :data:`RUNTIMES` that can be imported.

    :raises EngineMissing: none is installed
    """
    for name in RUNTIMES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise EngineMissing(f"no TensorFlow Lite runtime is installed; {cure('inference')}")


class TfliteEngine:
    """A model loaded into an interpreter of its own; not safe to call from two threads.

    :param path: the ``.tflite`` file
    :param threads: threads of one inference; 1 is best unless a core is idle
    :raises SandboxRefused: this process is not in a sandbox
    :raises EngineMissing: no runtime is installed
    :raises ModelRefused: the file is missing or is not a model
    """

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        if os.environ.get("LIGHTNING_SANDBOX") != "1":
            raise SandboxRefused("models are loaded inside the sandbox only")
        if not path.is_file():
            raise ModelRefused(f"the bundle has no model {path.name!r}")
        runtime = find_runtime()
        try:
            # The content, not the path: a mapped file could change under the interpreter.
            self._interpreter = runtime.Interpreter(
                model_content=path.read_bytes(), num_threads=threads
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelRefused(f"{path.name!r} is not a usable model: {error}") from error
        inputs = self._interpreter.get_input_details()
        outputs = self._interpreter.get_output_details()
        self._input_index: int = inputs[0]["index"]
        self._output_index: int = outputs[0]["index"]
        self.inputs = tuple(_tensor(details) for details in inputs)
        self.outputs = tuple(_tensor(details) for details in outputs)
        self.runtime: str = runtime.__name__.partition(".")[0]
        """Which runtime is at work: ``"ai_edge_litert"`` or ``"tflite_runtime"``."""

    def run(self, array: NDArray[Any]) -> NDArray[Any]:
        """Run the model once; see :meth:`lightning_agent.inference.base.Engine.run`."""
        try:
            self._interpreter.set_tensor(self._input_index, array)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise ModelRefused(f"the model cannot run on this input: {error}") from error
        output: NDArray[Any] = self._interpreter.get_tensor(self._output_index)
        return output


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    return Tensor(
        name=str(details["name"]),
        shape=tuple(int(length) for length in details["shape"]),
        dtype=numpy.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )

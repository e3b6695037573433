"""Inference: real models on real scans of digits, inside the sandbox."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import pytest
from PIL import Image

from lightning_agent.errors import ModelRefused, PluginFailed, SandboxRefused
from lightning_agent.inference.fake import FakeEngine
from lightning_agent.inference.tflite import RUNTIMES, TfliteEngine
from tests.agent.supervised import Supervised, make_zip

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "examples" / "digits_camera"

RIGHT = 443
"""Right answers of either model on the 450 held-out scans, as measured when they were made."""


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def demo(shared_supervisor: Supervised) -> tuple[str, str]:
    """Give the installed demonstration plugin: its name and digest."""
    bundle = _load("make_bundle").make_bundle(EXAMPLE)
    return shared_supervisor.install(bundle, plugin="digits", ending="zip")


@pytest.mark.parametrize("model", ["int8", "float"])
def test_the_demonstration_reads_digits(
    shared_supervisor: Supervised, demo: tuple[str, str], model: str
) -> None:
    """Camera, sandbox and model together: 443 of 450 pictures are read right."""
    labels = json.loads((EXAMPLE / "labels.json").read_text())

    result = shared_supervisor.call(
        *demo, parameters={"model": model}, cameras=("default",), deadline_s=50
    )["result"]

    right = [frame for frame in result["frames"] if frame["label"] == str(labels[frame["name"]])]
    print(model, "mean latency", result["mean_latency_ms"], "ms")
    assert result["count"] == len(labels) == 450
    assert len(right) == RIGHT
    assert all(0 < frame["score"] <= 1 and frame["latency_ms"] > 0 for frame in result["frames"])


def test_the_demonstration_takes_as_many_pictures_as_asked(
    shared_supervisor: Supervised, demo: tuple[str, str]
) -> None:
    """The parameter count ends the camera early."""
    answer = shared_supervisor.call(*demo, parameters={"count": 2}, cameras=("default",))

    assert [frame["name"] for frame in answer["result"]["frames"]] == ["000.png", "001.png"]


def test_the_bundle_is_the_same_every_time() -> None:
    """The same files make the same bytes, hence the same digest."""
    bundles = [_load("make_bundle").make_bundle(EXAMPLE) for _ in range(2)]

    digests = {hashlib.sha256(bundle).hexdigest() for bundle in bundles}

    assert len(digests) == 1


def test_pictures_are_the_models_input(tmp_path: Path) -> None:
    """A scan of 0..16 becomes a picture of round(pixel * 255 / 16), with its label beside it."""
    scans = numpy.arange(64, dtype=numpy.uint8).reshape(1, 8, 8) % 17
    numpy.savez(tmp_path / "scans.npz", x=scans, y=numpy.array([3], dtype=numpy.uint8))

    count = _load("make_pictures").make_pictures(tmp_path / "scans.npz", tmp_path / "pictures")

    with Image.open(tmp_path / "pictures" / "000.png") as picture:
        pixels = numpy.asarray(picture)
    assert count == 1
    assert picture.mode == "L"
    assert numpy.array_equal(pixels, numpy.round(scans[0] * 255.0 / 16).astype(numpy.uint8))
    assert json.loads((tmp_path / "labels.json").read_text()) == {"000.png": 3}


def test_a_model_is_not_loaded_outside_the_sandbox() -> None:
    """In an ordinary process even a good model is refused."""
    with pytest.raises(SandboxRefused):
        TfliteEngine(EXAMPLE / "digits_int8.tflite")


DESCRIBE = """
def main(context, model):
    engine = context.model(model)
    tensors = [*engine.inputs, *engine.outputs]
    return [engine.runtime, [[t.name, list(t.shape), t.dtype, t.zero_point] for t in tensors]]
"""


def _install(supervised: Supervised, source: str, files: dict[str, bytes]) -> tuple[str, str]:
    return supervised.install(make_zip({"plugin.py": source.encode(), **files}), ending="zip")


def test_a_model_tells_its_tensors(shared_supervisor: Supervised) -> None:
    """Shapes, element types and quantisation can be asked for; a preferred runtime is used."""
    content = (EXAMPLE / "digits_int8.tflite").read_bytes()
    plugin = _install(shared_supervisor, DESCRIBE, {"m.tflite": content})

    runtime, tensors = shared_supervisor.call(*plugin, parameters={"model": "m.tflite"})["result"]

    installed = [name.partition(".")[0] for name in RUNTIMES]
    preferred = [name for name in installed if importlib.util.find_spec(name)]
    assert runtime == preferred[0]
    assert [tensor[1:] for tensor in tensors] == [
        [[1, 8, 8, 1], "uint8", 0],
        [[1, 10], "uint8", 0],
    ]


@pytest.mark.parametrize(
    ("content", "model"),
    [
        (b"not a model at all", "m.tflite"),
        ((EXAMPLE / "digits_int8.tflite").read_bytes()[:2000], "m.tflite"),
        (b"", "m.tflite"),
        (b"", "absent.tflite"),
    ],
    ids=["text", "cut", "empty", "absent"],
)
def test_78_a_file_that_is_no_model_fails_the_call_only(
    shared_supervisor: Supervised, content: bytes, model: str
) -> None:
    """A broken model is an error of its call, even if it crashes the interpreter."""
    plugin = _install(shared_supervisor, DESCRIBE, {"m.tflite": content})

    with pytest.raises(PluginFailed) as caught:
        shared_supervisor.call(*plugin, parameters={"model": model})

    assert caught.value.details["type"] in ("ModelRefused", "Crashed")
    assert (
        shared_supervisor.client.request("hello", protocol=1, timeout_s=1)["level"] == "standard"
    )


def test_an_input_of_the_wrong_shape_is_refused(shared_supervisor: Supervised) -> None:
    """An array that does not fit the model is named as such."""
    source = (
        "import numpy\n"
        "def main(context):\n"
        "    context.model('m.tflite').run(numpy.zeros((1, 3, 3, 1), dtype=numpy.uint8))\n"
    )
    content = (EXAMPLE / "digits_int8.tflite").read_bytes()
    plugin = _install(shared_supervisor, source, {"m.tflite": content})

    with pytest.raises(PluginFailed, match="cannot run on this input"):
        shared_supervisor.call(*plugin)


def test_the_fake_engine_is_predictable() -> None:
    """The fake answers by the mean of its input and refuses what does not fit."""
    engine = FakeEngine()
    picture: Any = numpy.full((1, 8, 8, 1), 13, dtype=numpy.uint8)

    scores = engine.run(picture)

    assert int(scores.argmax()) == 3
    with pytest.raises(ModelRefused):
        engine.run(picture.astype(numpy.float32))

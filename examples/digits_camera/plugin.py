"""Read handwritten digits from a camera, in the sandbox of a board.

Parameters: ``count`` (pictures to take, ``null`` or absent for all there are), ``model``
(``"int8"`` or ``"float"``), ``camera`` (its name).  The result::

    {"model": "int8", "count": 1, "mean_latency_ms": 0.02,
     "frames": [{"name": "000.png", "label": "7", "score": 0.996, "latency_ms": 0.02}]}
"""

import time

import numpy


def main(context, count=None, model="int8", camera="default"):
    """Classify pictures of the camera one by one."""
    engine = context.model(f"digits_{model}.tflite")
    frames = []
    for frame in context.camera(camera):
        started = time.perf_counter()
        scores = engine.run(to_input(frame.pixels, engine.inputs[0]))[0]
        latency_ms = (time.perf_counter() - started) * 1000
        best = int(scores.argmax())
        frames.append(
            {
                "name": frame.name,
                "label": str(best),
                "score": round(to_probability(scores[best], engine.outputs[0]), 4),
                "latency_ms": round(latency_ms, 4),
            }
        )
        if count is not None and len(frames) >= count:
            break
    context.log(f"{len(frames)} pictures classified by the {model} model")
    total_ms = sum(frame["latency_ms"] for frame in frames)
    return {
        "model": model,
        "count": len(frames),
        "mean_latency_ms": round(total_ms / max(1, len(frames)), 4),
        "frames": frames,
    }


def to_input(pixels, tensor):
    """Return an 8x8 grey picture, 0..255, as the (1, 8, 8, 1) input of the model."""
    picture = pixels.reshape(tensor.shape)
    if tensor.dtype == "uint8":
        return picture
    return picture.astype(numpy.float32) / 255


def to_probability(score, tensor):
    """Return a score of the model as a number from 0 to 1."""
    if tensor.scale:
        return float((int(score) - tensor.zero_point) * tensor.scale)
    return float(score)

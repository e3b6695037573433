"""Make the camera's pictures from the held-out scans of handwritten digits.

``python make_pictures.py digits_test.npz OUTDIR`` writes one 8x8 grey PNG per scan to OUTDIR and
their labels to ``labels.json`` beside that folder.  The 0..16 of the scans becomes 0..255, which
is exactly the input of the int8 model.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy
from PIL import Image


def make_pictures(scans: Path, folder: Path) -> int:
    """Write pictures and labels; return how many.

    :param scans: an ``.npz`` file with ``x`` (n, 8, 8) uint8, 0..16, and ``y`` (n,) uint8, 0..9
    :param folder: gets ``000.png``, ``001.png``, …; its parent gets ``labels.json``
    """
    content = numpy.load(scans, allow_pickle=False)
    folder.mkdir(parents=True, exist_ok=True)
    labels = {}
    for number, (scan, label) in enumerate(zip(content["x"], content["y"], strict=True)):
        pixels = numpy.round(scan.astype(numpy.float64) * 255 / 16).astype(numpy.uint8)
        name = f"{number:03d}.png"
        Image.fromarray(pixels).save(folder / name, optimize=True)
        labels[name] = int(label)
    text = json.dumps(labels, indent=0, sort_keys=True)
    (folder.parent / "labels.json").write_text(f"{text}\n", encoding="ascii")
    return len(labels)


if __name__ == "__main__":
    print(make_pictures(Path(sys.argv[1]), Path(sys.argv[2])), "pictures")

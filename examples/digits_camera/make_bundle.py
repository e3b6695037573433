"""Make the bundle of this plugin: the same bytes from the same files, every time.

``python make_bundle.py digits_camera.zip`` packs ``plugin.py`` and the models beside it.
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path

FILES = ("plugin.py", "digits_float.tflite", "digits_int8.tflite")
"""What belongs to the bundle, from this folder."""

_EPOCH = (1980, 1, 1, 0, 0, 0)


def make_bundle(folder: Path) -> bytes:
    """Return the bundle of the files in ``folder`` as a zip archive."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name in FILES:
            member = zipfile.ZipInfo(name, date_time=_EPOCH)
            member.external_attr = 0o100644 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, (folder / name).read_bytes())
    return packed.getvalue()


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(make_bundle(Path(__file__).resolve().parent))

"""The board's session with the cloud: joining, keeping, ending, and what runs over it.

Autobahn loads every serializer it finds installed. Two that no board needs pull
in numpy: UBJSON's, which comes with the router, and FlatBuffers', which comes
with Autobahn; 18 MB on a board that has numpy for its plugins. They are hidden
here, before any module of this package loads Autobahn.
"""

from __future__ import annotations

import sys

UNUSED_SERIALIZERS = ("autobahn.flatbuffers", "bjdata")
"""Modules that Autobahn is told it has not."""

for _name in UNUSED_SERIALIZERS:
    sys.modules.setdefault(_name, None)  # type: ignore[arg-type]

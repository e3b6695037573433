"""Blobs: bytes under their digest, counted against a project's quota."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature
from iotronic_mec.features.blob import store
from iotronic_mec.features.blob.commands import BlobCommands
from iotronic_mec.features.blob.periodic import PERIODICS

FEATURE = Feature(
    name="blob",
    commands=BlobCommands,
    quotas=(Counted(resource="bytes", count=store.count_bytes),),
    periodics=PERIODICS,
)

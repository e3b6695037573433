"""Options of group ``[storage]``: where bundles are kept."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("storage", title="Storage", help="Where bundles are kept.")

OPTIONS = [
    cfg.StrOpt(
        "driver",
        default="filesystem",
        help="Entry point of the storage driver: 'filesystem' keeps files below the state "
        "directory; 'fake' keeps them in memory, for tests. Read at the start.",
    ),
    cfg.StrOpt(
        "path",
        default="blobs",
        help="Folder of the filesystem driver for the separate processes (standalone always "
        "uses 'blobs' in its state directory), relative to the state directory. API, "
        "conductors and gateways of one cloud need the same folder, on a shared file system "
        "where they are on several machines. Read at the start.",
    ),
]

"""Options of group ``[cloud]``: what the separate processes share."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "cloud",
    title="Cloud",
    help="What the separate processes share. 'iotronic-mec standalone' takes these from its "
    "command line.",
)

OPTIONS = [
    cfg.StrOpt(
        "state_dir",
        default="/var/lib/iotronic",
        help="Folder of this process, mode 0700: locks, keys of a wamp agent, the router's "
        "files. Two wamp agents of one host need two. Read at the start.",
    ),
    cfg.StrOpt(
        "secret_file",
        default="secret.key",
        help="File with at least 32 random bytes, the same for all processes: key of the "
        "hashes of codes and tokens. Relative to the state directory. Make it once: "
        "'head -c 32 /dev/urandom > secret.key'. Read at the start.",
    ),
    cfg.StrOpt(
        "public_url",
        default="",
        help="Address of the API as clients know it, for instance https://iot.example.org. "
        "Read at the start.",
    ),
    cfg.StrOpt(
        "content_url",
        default="",
        help="Address of the content origin as boards know it; another host name or port "
        "than the API's. Read at the start.",
    ),
]

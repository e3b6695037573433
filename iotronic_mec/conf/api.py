"""Options of group ``[api]``: lists, uploads, rules."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup("api", title="REST API", help="Limits of the REST API.")

OPTIONS = [
    cfg.StrOpt(
        "auth_strategy",
        default="embedded",
        choices=[
            ("embedded", "users, projects and tokens of the cloud's own"),
            ("keystone", "tokens of a Keystone, which [keystone_authtoken] names"),
        ],
        help="Who knows the users. With keystone the embedded ones, if there are any, are not "
        "let in; boards are not concerned. Read at the start.",
    ),
    cfg.StrOpt(
        "host",
        default="127.0.0.1",
        help="Address 'iotronic-mec-api' listens on; TLS is the reverse proxy's. Read at the "
        "start.",
    ),
    cfg.PortOpt(
        "port",
        default=1288,
        help="Port 'iotronic-mec-api' listens on. Read at the start.",
    ),
    cfg.IntOpt(
        "threads",
        default=16,
        min=1,
        max=256,
        help="Requests 'iotronic-mec-api' works on at a time; one that waits for a board "
        "holds a thread. Read at the start.",
    ),
    cfg.IntOpt(
        "max_limit",
        default=1000,
        min=1,
        max=10_000,
        help="Most items in one page of a list; also the number where the client names "
        "none. Read at the start.",
    ),
    cfg.IntOpt(
        "max_bundle_bytes",
        default=33_554_432,
        min=1024,
        max=1_073_741_824,
        help="Largest plugin bundle that may be uploaded, bytes. Larger ones are refused "
        "with 413. Read at the start.",
    ),
    cfg.BoolOpt(
        "trust_proxy_headers",
        default=False,
        help="Whether Forwarded and X-Forwarded-* of a reverse proxy are believed. Turn it on "
        "only where clients reach the API through that proxy alone: otherwise they could "
        "forge their address. Read at the start.",
    ),
    cfg.StrOpt(
        "policy_file",
        default="policy.yaml",
        help="File with rules that replace the built-in ones, relative to the state "
        "directory. It need not exist. Read again when it changes.",
    ),
    cfg.FloatOpt(
        "project_rate",
        default=0.0,
        min=0.0,
        max=1_000_000.0,
        help="How many requests a second one project may make in the long run, for each API "
        "process; more are refused with 429 and Retry-After. 0 sets no limit. Read at the start.",
    ),
    cfg.IntOpt(
        "project_burst",
        default=100,
        min=1,
        max=1_000_000,
        help="How many requests one project may make at once, above its rate. Read at the start.",
    ),
    cfg.FloatOpt(
        "user_rate",
        default=0.0,
        min=0.0,
        max=1_000_000.0,
        help="How many requests a second one user may make in the long run, for each API "
        "process; more are refused with 429 and Retry-After. 0 sets no limit. Read at the start.",
    ),
    cfg.IntOpt(
        "user_burst",
        default=100,
        min=1,
        max=1_000_000,
        help="How many requests one user may make at once, above its rate. Read at the start.",
    ),
]

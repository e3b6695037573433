"""Options of group ``[keystone_authtoken]``: keystonemiddleware's own.

They are read where ``[api] auth_strategy = keystone`` only, and so stand
neither in the sample nor among ``iotronic-mec config show``; keystonemiddleware
documents them. What differs from its defaults is here.
"""

from __future__ import annotations

from typing import Any

from keystonemiddleware.opts import list_auth_token_opts

GROUP = "keystone_authtoken"

DEFAULTS: dict[str, Any] = {
    # what access rules of application credentials call this service
    "service_type": "iot",
    # without it a Keystone that is silent would hold a thread for ever
    "http_connect_timeout": 5,
    "http_request_max_retries": 1,
    # a revoked token is refused after this many seconds at the latest
    "token_cache_time": 30,
    # a service's token lets nobody in past the user's own
    "service_token_roles_required": True,
}
"""Option to our default, where it is not keystonemiddleware's."""

FORCED: dict[str, Any] = {
    # the answer is ours to give, at once
    "delay_auth_decision": False,
    # access rules are checked against the catalogue in the token
    "include_service_catalog": True,
}
"""Options that cannot be chosen here."""

MAX_CACHE_S = 300
"""Longest ``token_cache_time``, seconds: how long a revoked token may still be taken."""


def prepare(conf: Any) -> None:
    """Register the options and say what of them is wrong.

    :param conf: that has read the file
    :raises ValueError: names the option and the rule
    """
    conf.register_opts(dict(list_auth_token_opts())[GROUP], group=GROUP)
    for name, value in DEFAULTS.items():
        conf.set_default(name, value, group=GROUP)
    for name, value in FORCED.items():
        conf.set_override(name, value, group=GROUP)
    given = conf[GROUP]
    for name in ("auth_type", "www_authenticate_uri"):
        if not given[name]:
            raise ValueError(f"[{GROUP}] {name} is needed with [api] auth_strategy = keystone")
    if not 0 <= int(given.token_cache_time) <= MAX_CACHE_S:
        raise ValueError(f"[{GROUP}] token_cache_time: 0 to {MAX_CACHE_S} seconds are possible")
    if not given.http_connect_timeout or given.http_connect_timeout > 30:
        raise ValueError(f"[{GROUP}] http_connect_timeout: 1 to 30 seconds are possible")

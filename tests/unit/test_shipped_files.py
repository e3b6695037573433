"""Files that operators copy: what they promise must be what they do."""

from __future__ import annotations

import re
from pathlib import Path

NGINX = Path(__file__).parents[2] / "etc/nginx/iotronic.conf"

OURS = {
    "Host": "$http_host",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Proto": "$scheme",
    "X-Forwarded-Host": '""',
    "X-Forwarded-Prefix": '""',
    "Forwarded": '""',
}
"""What the API believes of a proxy, and what is to stand there."""


def headers(text: str) -> dict[str, str]:
    """Return the request headers a block of nginx sets."""
    return dict(re.findall(r"^\s*proxy_set_header (\S+) (\S+);$", text, flags=re.MULTILINE))


def test_nginx_lets_no_client_speak_for_the_proxy() -> None:
    """A location that sets a header inherits none: each sets all, or all come from above."""
    text = NGINX.read_text(encoding="utf-8")
    locations = re.findall(r"location [^{]+ \{(.*?)\n    \}", text, flags=re.DOTALL)
    outer = headers(re.sub(r"location [^{]+ \{.*?\n    \}", "", text, flags=re.DOTALL))

    assert len(locations) == 5
    for location in locations:
        sent = headers(location) or outer
        assert {name: sent.get(name) for name in OURS} == OURS

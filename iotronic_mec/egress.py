"""One policy for every address a tenant gives us: no way inside.

Callbacks, webhooks, git, cameras: whatever connects where a tenant says, goes
through :class:`Egress`, in threads, or through its :meth:`~Egress.decide` and
connects to the address that gives::

    egress = Egress(parts.settings.egress_networks)
    reply = egress.send(Ask(method="POST", url=url, body=body))

What a board's REST submit may reach is decided on the board, by the same rules
(:mod:`lightning_agent.protocol.addresses`) and the networks its owner allows.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from iotronic_mec.errors import BadRequest, Error
from lightning_agent.protocol.addresses import AddressPolicy, AddressRefused, Url, parse_url
from lightning_agent.protocol.outbound import (
    AnswerTooLarge,
    Ask,
    Limits,
    Lookup,
    Outbound,
    OutboundFailed,
    OutboundTimeout,
    Reply,
    system_lookup,
)

__all__ = ["Ask", "Egress", "EgressFailed", "EgressRefused", "EgressTimeout", "Limits", "Reply"]


class EgressRefused(BadRequest):
    """The address is not one the cloud connects to."""

    code = "iot.egress.refused"


class EgressFailed(Error):
    """The address gave no answer that can be used."""

    code = "iot.egress.failed"
    http_status = 502


class EgressTimeout(EgressFailed):
    """The address gave no whole answer in time."""

    code = "iot.egress.timeout"
    http_status = 504


class EgressTooLarge(EgressFailed):
    """The answer of the address is over the limit."""

    code = "iot.egress.too_large"


class Egress:
    """Connections to addresses tenants name; any thread.

    :param networks: what the operator allows beside the public internet, see
        option ``[egress] allowed_networks``
    :param trust: TLS authorities, ``None`` for the system's
    :param lookup: the resolver; tests give one
    :raises ValueError: one of the networks is none
    """

    def __init__(
        self,
        networks: Iterable[str] = (),
        *,
        trust: ssl.SSLContext | None = None,
        lookup: Lookup = system_lookup,
    ) -> None:
        self._outbound = Outbound(AddressPolicy.of(networks), trust=trust, lookup=lookup)

    def decide(self, url: str, *, limit_s: float = 5.0, field: str = "url") -> tuple[Url, str]:
        """Return a checked URL and the one address to connect to for it.

        Blocks up to ``limit_s``. Whoever connects uses the address and never
        looks the name up again; TLS is checked against the URL's host.

        :param field: how errors call the URL
        :raises EgressRefused: names the field and the rule
        """
        with _told(field):
            parsed = parse_url(url)
            return parsed, self._outbound.locate(parsed, limit_s)

    def send(self, ask: Ask, limits: Limits | None = None, *, field: str = "url") -> Reply:
        """Send one request; blocks up to ``limits.total_s``.

        :raises EgressRefused: the URL, a header or the address is not allowed
        :raises EgressTimeout: it took too long
        :raises EgressTooLarge: the body is over the limit
        :raises EgressFailed: no answer came
        """
        with _told(field):
            return self._outbound.send(ask, limits)


def check_url(text: object, *, field: str = "url") -> Url:
    """Check what a URL looks like, not where it leads: for those who only pass it on.

    :raises EgressRefused: names the field and the rule
    """
    with _told(field):
        return parse_url(text)


@contextmanager
def _told(field: str) -> Iterator[None]:
    try:
        yield
    except AddressRefused as error:
        raise EgressRefused(f"{field}: {error}", details={"field": field}) from error
    except AnswerTooLarge as error:
        raise EgressTooLarge(str(error)) from error
    except OutboundTimeout as error:
        raise EgressTimeout(str(error)) from error
    except OutboundFailed as error:
        raise EgressFailed(str(error)) from error

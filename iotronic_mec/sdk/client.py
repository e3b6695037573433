"""The client: one object, one attribute for each noun."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from keystoneauth1 import http_basic, session, token_endpoint
from keystoneauth1.plugin import BaseAuthPlugin

from iotronic_mec import __version__
from iotronic_mec.sdk.audit import Audit
from iotronic_mec.sdk.board import Boards
from iotronic_mec.sdk.fleet import Fleets
from iotronic_mec.sdk.grant import Grants
from iotronic_mec.sdk.identity import Directory, Project, Token, User, WhoAmI
from iotronic_mec.sdk.injection import Injections
from iotronic_mec.sdk.plugin import Plugins
from iotronic_mec.sdk.port import Ports
from iotronic_mec.sdk.quota import Quotas
from iotronic_mec.sdk.request import Requests
from iotronic_mec.sdk.service import Services
from iotronic_mec.sdk.transport import VERSION_HEADER, Call, Pace, Transport
from iotronic_mec.sdk.webservice import Webservices

MINIMUM_HEADER = "X-OpenStack-Iotronic-API-Minimum-Version"
MAXIMUM_HEADER = "X-OpenStack-Iotronic-API-Maximum-Version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Versions of the API: what the cloud has, and what was agreed on."""

    minimum: str | None
    maximum: str | None
    used: str | None


class Client:
    """A cloud, as seen with one set of credentials. Blocks; one per thread.

    :param session: of keystoneauth, with any authentication plugin
    :param endpoint: root of the API; ``None`` asks the plugin or its catalog
    :param options: further parameters of :class:`Transport`
    """

    def __init__(
        self, session: session.Session, *, endpoint: str | None = None, **options: Any
    ) -> None:
        self.transport = Transport(session, endpoint=endpoint, **options)
        self.boards = Boards(self.transport)
        self.fleets = Fleets(self.transport)
        self.grants = Grants(self.transport)
        self.plugins = Plugins(self.transport)
        self.injections = Injections(self.transport)
        self.services = Services(self.transport)
        self.webservices = Webservices(self.transport)
        self.ports = Ports(self.transport)
        self.requests = Requests(self.transport)
        self.quotas = Quotas(self.transport)
        self.audit = Audit(self.transport)
        self.users = Directory(self.transport, "/v1/users", User)
        self.projects = Directory(self.transport, "/v1/projects", Project)
        self.tokens = Directory(self.transport, "/v1/tokens", Token)

    @classmethod
    def with_token(
        cls, url: str, token: str, *, verify: bool | str = True, pace: Pace | None = None
    ) -> Self:
        """Return a client that sends a token; no identity service is asked.

        :param verify: check certificates, or the file of authorities to trust
        """
        return cls._with(token_endpoint.Token(url, token), url, verify, pace)

    @classmethod
    def with_password(
        cls,
        url: str,
        username: str,
        password: str,
        *,
        verify: bool | str = True,
        pace: Pace | None = None,
    ) -> Self:
        """Return a client that sends name and password by HTTP Basic."""
        auth = http_basic.HTTPBasicAuth(endpoint=url, username=username, password=password)
        return cls._with(auth, url, verify, pace)

    @classmethod
    def _with(cls, auth: BaseAuthPlugin, url: str, verify: bool | str, pace: Pace | None) -> Self:
        made = session.Session(
            auth=auth, verify=verify, app_name="iotronic-mec", app_version=__version__
        )
        return cls(made, endpoint=url, pace=pace)

    def whoami(self) -> WhoAmI:
        """Return who the credentials are.

        :raises Unauthenticated: they are not valid
        """
        return WhoAmI.from_wire(self.transport.json(Call(method="GET", path="/v1/whoami")))

    def versions(self) -> Versions:
        """Return the versions of the API; also the test that all is reachable.

        Needs no valid credentials.
        """
        headers = self.transport.send(Call(method="GET", path="/v1")).headers
        return Versions(
            minimum=headers.get(MINIMUM_HEADER),
            maximum=headers.get(MAXIMUM_HEADER),
            used=headers.get(VERSION_HEADER),
        )

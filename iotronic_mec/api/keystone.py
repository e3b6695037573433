"""Who is asking, by Keystone: the middleware of OpenStack behind our seam.

:class:`KeystoneAuthenticator` has keystonemiddleware validate the token of a
request: its end, the access rules of an application credential, and that
Keystone still takes it. What Keystone said is remembered for
``token_cache_time``; a revoked token is refused after that time at the latest.

A token must be for a project, or for the whole system with the role *admin*.
Keystone writes uuids without dashes; they become ours with them, so that one
project has one spelling everywhere.

Loaded only where ``[api] auth_strategy = keystone``; any thread.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from typing import Any

from keystoneauth1 import exceptions as ksa_exceptions
from keystonemiddleware import auth_token
from keystonemiddleware.auth_token import InvalidToken
from webob.exc import HTTPServiceUnavailable, HTTPUnauthorized

from iotronic_mec.api.auth import Credentials, Identity, Throttle
from iotronic_mec.api.policy import known_roles
from iotronic_mec.api.problem import ProjectNeeded
from iotronic_mec.clock import Clock
from iotronic_mec.context import ADMIN
from iotronic_mec.errors import Forbidden, Unauthenticated, Unavailable
from iotronic_mec.ids import is_uuid, normal_uuid

LOG = logging.getLogger(__name__)

GROUP = "keystone_authtoken"

MAX_REMEMBERED = 4096
"""Most tokens remembered, valid and not."""

MAX_TOKEN = 32_768
"""Longest token that is shown to Keystone, characters; above the size of a
JSON web signature with many roles, and of what a header may hold here."""


class KeystoneUnavailable(Unavailable):
    """Keystone does not answer at the moment; try again later."""

    code = "iot.identity.unavailable"


class Remembered:
    """What Keystone said of tokens, for a bounded time and number; any thread.

    Tokens are kept as digests only. The interface is that of the middleware's
    own cache, whose form without memcached has no bound.
    """

    def __init__(self, clock: Clock, fresh_s: float) -> None:
        self._clock = clock
        self._fresh_s = fresh_s
        self._lock = threading.Lock()
        self._said: OrderedDict[bytes, tuple[Any, float]] = OrderedDict()

    def initialize(self, environ: Any) -> None:
        """Do nothing: this cache is not the request's."""

    def get(self, token: str) -> Any:
        """Return the token's data, ``None`` where Keystone has to be asked.

        :raises InvalidToken: Keystone refused it shortly before
        """
        said = self._fresh(_digest(token))
        if said is None:
            return None
        if said[0] is None:
            raise InvalidToken("the token is not valid")
        return said[0]

    def set(self, token: str, data: Any) -> None:
        """Remember the data of a token."""
        self._put(_digest(token), data)

    def knows(self, token: str) -> bool:
        """Say whether Keystone need not be asked."""
        return self._fresh(_digest(token)) is not None

    def refused(self, token: str) -> None:
        """Remember that Keystone refused a token, unless it gave its data.

        Then it was refused for this route only, or its end has come.
        """
        key = _digest(token)
        if self._fresh(key) is None:
            self._put(key, None)

    def _fresh(self, key: bytes) -> tuple[Any, float] | None:
        said = self._said.get(key)
        return None if said is None or said[1] <= self._clock.monotonic() else said

    def _put(self, key: bytes, data: Any) -> None:
        with self._lock:
            self._said[key] = (data, self._clock.monotonic() + self._fresh_s)
            self._said.move_to_end(key)
            while len(self._said) > MAX_REMEMBERED:
                self._said.popitem(last=False)


class KeystoneAuthenticator:
    """Tokens of a Keystone; any thread.

    :param conf: configuration with ``[keystone_authtoken]``, prepared by
        :mod:`iotronic_mec.conf.keystone`
    """

    def __init__(self, conf: Any, clock: Clock) -> None:
        options = conf[GROUP]
        self.challenge = f'Keystone uri="{options.www_authenticate_uri}"'
        self._throttle = Throttle(clock)
        self._remembered = Remembered(clock, float(options.token_cache_time))
        self._middleware = auth_token.AuthProtocol(None, {"oslo_config_config": conf})
        self._middleware._token_cache = self._remembered

    def authenticate(self, credentials: Credentials) -> Identity:
        """Return the identity of a request; may ask Keystone.

        :raises Unauthenticated: no token, or one that Keystone does not take
        :raises ProjectNeeded: the token is for no project
        :raises TooManyFailures: this address has sent too many wrong ones
        :raises KeystoneUnavailable: Keystone does not answer, or not to us
        """
        token = credentials.token or _bearer(credentials.authorization)
        if not token:
            raise Unauthenticated("send a token of Keystone in X-Auth-Token")
        if len(token) > MAX_TOKEN or not token.isascii() or not token.isprintable():
            raise Unauthenticated("the token is not valid")
        return _identity(self._validated(token, credentials), credentials)

    def _validated(self, token: str, credentials: Credentials) -> Any:
        environ = {
            "REQUEST_METHOD": credentials.method,
            "PATH_INFO": credentials.path,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "wsgi.url_scheme": "http",
            "HTTP_X_AUTH_TOKEN": token,
        }
        request = _request(environ)
        if not self._remembered.knows(token):
            self._throttle.check_address(credentials.address)
        try:
            self._middleware.process_request(request)
        except HTTPUnauthorized as error:
            self._remembered.refused(token)
            self._throttle.guessed(credentials.address)
            raise Unauthenticated("the token is not valid") from error
        except HTTPServiceUnavailable as error:
            raise KeystoneUnavailable() from error
        except ksa_exceptions.ClientException as error:
            # the service's own user or endpoint is wrong: the operator's to mend
            LOG.error("Keystone cannot be asked: %s", error)
            raise KeystoneUnavailable() from error
        return request.token_info["token"]


def _request(environ: dict[str, Any]) -> Any:
    """Return a request of the class the middleware works on."""
    return auth_token._request._AuthTokenRequest(environ)


def _bearer(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    return rest.strip() if scheme.lower() == "bearer" else ""


def _identity(token: Any, credentials: Credentials) -> Identity:
    roles = known_roles(role["name"] for role in token.get("roles") or ())
    project = token.get("project")
    if project is None:
        if not token.get("system", {}).get("all") or ADMIN not in roles:
            raise ProjectNeeded(
                "the token is for no project: ask Keystone for one that is, for instance with "
                "OS_PROJECT_NAME and OS_PROJECT_DOMAIN_NAME"
            )
    elif credentials.project not in (None, project["id"], project["name"], _ours(project["id"])):
        raise Forbidden(
            f"X-IoT-Project: the token is for project {project['name']}; ask Keystone for one of "
            "the other project"
        )
    user = token["user"]
    return Identity(
        user=_ours(user["id"]),
        user_name=str(user["name"]),
        project="" if project is None else _ours(project["id"]),
        roles=roles,
    )


def _ours(identifier: str) -> str:
    """Return an id of Keystone as it is spelt here.

    Users of a directory (LDAP) have longer ids, which stay as they are.
    """
    return normal_uuid(identifier) if is_uuid(identifier) else str(identifier)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()

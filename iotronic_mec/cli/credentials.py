"""Which credentials are used, out of the many that may be set.

The first of these that is there:

1. ``--os-cloud NAME``, an entry of clouds.yaml;
2. ``--os-auth-token`` with ``--iotronic-url`` (or its variable);
3. ``OS_AUTH_TYPE`` with the variables of that type (``http_basic``:
   ``OS_ENDPOINT``, ``OS_USERNAME``, ``OS_PASSWORD``);
4. ``OS_AUTH_TOKEN`` with ``IOTRONIC_URL``;
5. ``OS_CLOUD``;
6. the one cloud in clouds.yaml, if there is no other in it.

A standalone cloud's ``openrc`` sets numbers 4 and 5; they are the same cloud
and the same user.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keystoneauth1 import exceptions, loading, session

from iotronic_mec import __version__
from iotronic_mec.cli.clouds import only_cloud, read_cloud
from iotronic_mec.cli.exits import UsageError
from iotronic_mec.sdk import Client
from iotronic_mec.sdk.transport import TIMEOUT_S

TOKEN_TYPES = frozenset({"", "none", "admin_token"})
"""Values of ``OS_AUTH_TYPE`` that leave a ready token its place."""

ORDER = (
    "The first of these that is there: --os-cloud; --os-auth-token with --iotronic-url or its "
    "variable; OS_AUTH_TYPE with the variables of that type (http_basic: OS_ENDPOINT, "
    "OS_USERNAME, OS_PASSWORD); OS_AUTH_TOKEN with IOTRONIC_URL; OS_CLOUD; the only cloud in "
    "clouds.yaml. 'source DIR/openrc' of a standalone cloud sets what is needed."
)

HELP = "no credentials: 'source DIR/openrc' of a standalone cloud, or give --os-cloud NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyToken:
    """A token and where to use it; no identity service is asked."""

    url: str
    token: str


def token_of(options: argparse.Namespace, environ: Mapping[str, str]) -> ReadyToken | None:
    """Return the ready token that is to be used, or ``None`` for other credentials.

    Serves both command lines: of ``openstack``, options may hold the variables.
    """
    cloud = getattr(options, "cloud", None)
    if cloud and cloud != environ.get("OS_CLOUD"):
        return None
    explicit = getattr(options, "iot_token", None)
    if not explicit and environ.get("OS_AUTH_TYPE", "") not in TOKEN_TYPES:
        return None
    url = getattr(options, "iot_url", None) or environ.get("IOTRONIC_URL")
    token = explicit or environ.get("OS_AUTH_TOKEN")
    return ReadyToken(url=url, token=token) if url and token else None


def connect(options: argparse.Namespace, environ: Mapping[str, str]) -> Client:
    """Return the client of ``iot``, by the first credentials there are.

    :raises UsageError: there are none, or not enough of them
    """
    found = None if options.cloud else token_of(options, environ)
    if found is not None:
        settings = {
            "auth_type": "admin_token",
            "auth": {"endpoint": found.url, "token": found.token},
        }
    elif not options.cloud and environ.get("OS_AUTH_TYPE"):
        settings = {"auth_type": environ["OS_AUTH_TYPE"], "auth": _from_environ(environ)}
    else:
        name = options.cloud or environ.get("OS_CLOUD") or only_cloud(environ)
        if name is None:
            raise UsageError(HELP)
        settings = read_cloud(name, environ)
    return _client(settings, options, environ)


def _client(
    settings: Mapping[str, Any], options: argparse.Namespace, environ: Mapping[str, str]
) -> Client:
    made = session.Session(
        auth=_plugin(str(settings.get("auth_type") or "password"), settings.get("auth") or {}),
        verify=_verify(settings, options, environ),
        cert=_certificate(settings, environ),
        timeout=options.http_timeout,
        app_name="iot",
        app_version=__version__,
    )
    return Client(
        made,
        endpoint=options.iot_url or settings.get("iot_endpoint_override"),
        region_name=settings.get("region_name") or environ.get("OS_REGION_NAME"),
        interface=settings.get("interface") or environ.get("OS_INTERFACE"),
        timeout_s=options.http_timeout or TIMEOUT_S,
    )


def _plugin(auth_type: str, values: Mapping[str, Any]) -> Any:
    try:
        loader: Any = loading.get_plugin_loader(auth_type)
        known = {
            option.dest: _value(option, values)
            for option in loader.get_options()
            if _value(option, values) is not None
        }
        return loader.load_from_options(**known)
    except exceptions.ClientException as error:
        raise UsageError(f"credentials of type {auth_type!r}: {error}") from error


def _value(option: Any, values: Mapping[str, Any]) -> Any:
    names = (option.dest, option.name, *(old.name for old in option.deprecated))
    spellings = (name.replace("-", "_") for name in names)
    return next((values[name] for name in spellings if values.get(name) is not None), None)


def _from_environ(environ: Mapping[str, str]) -> dict[str, str]:
    values = {
        name.removeprefix("OS_").lower(): value
        for name, value in environ.items()
        if name.startswith("OS_") and value
    }
    if "endpoint" not in values and "IOTRONIC_URL" in environ:
        values["endpoint"] = environ["IOTRONIC_URL"]
    return values


def _verify(
    settings: Mapping[str, Any], options: argparse.Namespace, environ: Mapping[str, str]
) -> bool | str:
    if options.insecure or settings.get("verify") is False:
        return False
    stated = options.cacert or settings.get("cacert") or environ.get("OS_CACERT")
    return str(stated) if stated else True


def _certificate(
    settings: Mapping[str, Any], environ: Mapping[str, str]
) -> str | tuple[str, str] | None:
    certificate = settings.get("cert") or environ.get("OS_CERT")
    key = settings.get("key") or environ.get("OS_KEY")
    if not certificate:
        return None
    return (str(certificate), str(key)) if key else str(certificate)

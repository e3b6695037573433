"""The plugin of ``openstack``: its API is called ``iot``.

``openstack`` finds it by the entry points ``openstack.cli.extension`` and
``openstack.iot.v1``. It uses whatever credentials ``openstack`` has; the
token and address of a standalone cloud's ``openrc`` do as well.
"""

from __future__ import annotations

import argparse
import os

from osc_lib.clientmanager import ClientManager

from iotronic_mec.cli import credentials
from iotronic_mec.sdk import Client
from iotronic_mec.sdk.errors import Unauthenticated

API_NAME = "iot"
API_VERSION_OPTION = "os_iot_api_version"
API_VERSIONS = ("1", "1.10")
DEFAULT_API_VERSION = "1"


def build_option_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add our options to those of ``openstack``."""
    parser.add_argument(
        "--os-iot-api-version",
        metavar="<iot-api-version>",
        default=os.environ.get("OS_IOT_API_VERSION", DEFAULT_API_VERSION),
        help="IoT API version (Env: OS_IOT_API_VERSION)",
    )
    parser.add_argument(
        "--iotronic-url",
        metavar="<url>",
        dest="iot_url",
        help="IoT API address, with the token in OS_AUTH_TOKEN (Env: IOTRONIC_URL)",
    )
    return parser


def make_client(instance: ClientManager) -> Client:
    """Return the client; ``openstack`` calls this once, when it is first needed."""
    session = getattr(instance, "session", None)
    if session is None:
        return _with_token(instance)
    return Client(
        session,
        endpoint=instance.get_configuration().get("iot_endpoint_override"),
        region_name=instance.region_name,
        interface=instance.interface,
    )


def _with_token(instance: ClientManager) -> Client:
    stated = argparse.Namespace(iot_url=instance.get_configuration().get("iot_url"))
    found = credentials.token_of(stated, os.environ)
    if found is None:
        raise Unauthenticated(credentials.HELP)
    return Client.with_token(found.url, found.token, verify=instance.verify or False)

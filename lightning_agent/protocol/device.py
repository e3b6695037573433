"""Parameters of the orders to the board itself, and the words they may hold.

They travel as ``OperationCall.parameters``. The cloud builds them from what a
user gave, the board checks them again: neither trusts the other's checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lightning_agent.protocol.addresses import AddressRefused, parse_url
from lightning_agent.protocol.errors import BadMessage
from lightning_agent.protocol.messages import Message
from lightning_agent.protocol.outbound import METHODS, check_headers

MIN_DELAY_S = 3.0
"""Least seconds before a board reboots or its agent starts anew: the answer goes
first. Source: spec/iotronic-api.md section 2.2."""

MAX_DELAY_S = 3600.0
"""Most seconds an effect may be put off."""

MAX_WORK_S = 3600.0
"""Most seconds a package operation or an upgrade may take."""

MAX_REST_BODY = 262_144
"""Longest body of a REST submit, characters."""

LATEST = "latest"
"""Instead of a version: the newest there is."""

VERSION = re.compile(r"[0-9A-Za-z]([0-9A-Za-z.+!_:~-]{0,62}[0-9A-Za-z.+~])?")
"""A version of a package, of whatever manager; never an option, a path or an address.

None ends in a hyphen: apt takes ``name=1-`` for an order to remove it."""

NPM_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,63}")
"""The same for npm, to whom ``file:x`` is a folder and ``npm:x`` another package.
Source: npm-package-arg, semver.org."""

AGENT_VERSION = re.compile(r"[0-9][0-9A-Za-z.+!_-]{0,63}")
"""A version of the agent. Source: PEP 440."""

PACKAGES = {
    # none ends in a hyphen: apt takes that for an order to remove it
    "apt": re.compile(r"[a-z0-9]([a-z0-9.+-]{0,126}[a-z0-9.+])?(:[a-z0-9]{1,16})?"),
    "pip": re.compile(
        r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?(\[[A-Za-z0-9._,-]{1,64}\])?"
    ),
    # none looks like an archive: npm takes that for a file
    "npm": re.compile(
        r"(@[a-z0-9][a-z0-9._-]{0,63}/)?(?!.*\.(tgz|tar|tar\.gz)$)[a-z0-9][a-z0-9._-]{0,127}"
    ),
}
"""Names of packages by family: names of an index only, no files and no addresses.
Source: Debian policy 5.6.1, PEP 508, npm's package.json documentation."""

OPTIONS = {
    "apt": frozenset(
        {"--no-install-recommends", "--install-recommends", "--reinstall", "--purge", "--dry-run"}
    ),
    "pip": frozenset(
        {"--user", "--no-deps", "--pre", "--no-cache-dir", "--force-reinstall", "--dry-run"}
        | {"--break-system-packages"}
    ),
    "npm": frozenset({"--ignore-scripts", "--no-audit", "--no-fund", "--dry-run", "--force"}),
}
"""Options by family: those that cannot name another source, file or program."""

FAMILIES = {"apt": "apt", "apt-get": "apt", "pip": "pip", "pip3": "pip", "npm": "npm"}
"""Package managers of upstream's list, and their family."""

PACKAGE_COMMANDS = ("install", "update", "upgrade", "remove", "uninstall")

KEEP = "keep"
DROP = "drop"
"""What a factory reset does with the board's identity."""


class Parameters(Message):
    """Parameters of one order: a message that checks what its types do not say."""

    __slots__ = ()

    def check(self) -> None:
        """Do nothing when all is well.

        :raises BadMessage: names the field and the rule
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class DelayParameters(Parameters):
    """Of ``device.reboot`` and ``device.restart``: when, in seconds from now."""

    delay_s: float = MIN_DELAY_S

    def check(self) -> None:
        """See :meth:`Parameters.check`."""
        _within(self.delay_s, MIN_DELAY_S, MAX_DELAY_S, "delay_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpgradeParameters(Parameters):
    """Of ``package.upgrade``: which version of the agent."""

    version: str = LATEST
    limit_s: float = 900.0

    def check(self) -> None:
        """See :meth:`Parameters.check`."""
        if self.version != LATEST and not AGENT_VERSION.fullmatch(self.version):
            raise BadMessage(f"version: {LATEST} or a version as 1.2.3 is expected")
        _within(self.limit_s, 1.0, MAX_WORK_S, "limit_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageParameters(Parameters):
    """Of ``package.run``: what a package manager is to do. ``package`` empty: all."""

    manager: str
    command: str
    package: str = ""
    version: str = ""
    options: list[str] = field(default_factory=list)
    limit_s: float = 900.0

    def check(self) -> None:
        """See :meth:`Parameters.check`."""
        family = FAMILIES.get(self.manager)
        if family is None:
            raise BadMessage(f"manager: one of {', '.join(FAMILIES)} is expected")
        if self.command not in PACKAGE_COMMANDS:
            raise BadMessage(f"command: one of {', '.join(PACKAGE_COMMANDS)} is expected")
        if self.package and not PACKAGES[family].fullmatch(self.package):
            raise BadMessage(f"package: this is no name of a package of {self.manager}")
        if self.version and not (self.package and self.command in ("install", "upgrade")):
            raise BadMessage("version: only with a package, and to install or upgrade it")
        version = NPM_VERSION if family == "npm" else VERSION
        if self.version and self.version != LATEST and not version.fullmatch(self.version):
            raise BadMessage(f"version: this is no version of a package of {self.manager}")
        unknown = sorted(set(self.options) - OPTIONS[family])
        if unknown:
            allowed = ", ".join(sorted(OPTIONS[family]))
            raise BadMessage(f"options: {unknown[0][:40]!r} is not allowed; allowed are {allowed}")
        whole = family == "apt" and self.command in ("update", "upgrade")
        if not self.package and not whole:
            raise BadMessage(f"package: {self.manager} {self.command} needs the name of a package")
        if self.package and family == "apt" and self.command == "update":
            raise BadMessage("package: apt update takes none; to renew one use upgrade")
        _within(self.limit_s, 1.0, MAX_WORK_S, "limit_s")


@dataclass(frozen=True, slots=True, kw_only=True)
class RestParameters(Parameters):
    """Of ``rest.submit``: one HTTP request from the board. ``body`` is text, sent as UTF-8."""

    url: str
    method: str
    headers: dict[str, str] = field(default_factory=dict)
    body: str | None = None
    timeout_s: float = 10.0
    redirects: int = 0
    verify: bool = True

    def check(self) -> None:
        """See :meth:`Parameters.check`."""
        try:
            parse_url(self.url)
        except AddressRefused as error:
            raise BadMessage(f"url: {error}") from error
        if self.method not in METHODS:
            raise BadMessage(f"method: one of {', '.join(METHODS)} is expected")
        if not all(isinstance(value, str) for value in self.headers.values()):
            raise BadMessage("headers: texts are expected")
        try:
            check_headers(self.headers)
        except AddressRefused as error:
            raise BadMessage(str(error)) from error
        if self.body is not None and len(self.body) > MAX_REST_BODY:
            raise BadMessage(f"body: at most {MAX_REST_BODY} characters are allowed")
        _within(self.timeout_s, 0.1, 40.0, "timeout_s")
        _within(self.redirects, 0, 5, "redirects")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetParameters(Parameters):
    """Of ``reset.factory``: whether the board stays enrolled."""

    identity: str = KEEP

    def check(self) -> None:
        """See :meth:`Parameters.check`."""
        if self.identity not in (KEEP, DROP):
            raise BadMessage(f"identity: {KEEP} or {DROP} is expected")


DEVICE_MESSAGES: tuple[type[Parameters], ...] = (
    DelayParameters,
    UpgradeParameters,
    PackageParameters,
    RestParameters,
    ResetParameters,
)
"""All of them; the fingerprint covers these too."""


def _within(value: float, least: float, most: float, name: str) -> None:
    if not least <= value <= most:
        raise BadMessage(f"{name}: a number from {least:g} to {most:g} is expected")

"""Software of the board: package managers and the agent's own upgrade.

Nothing here runs unless the board's owner allows it. The cloud is answered at
once that the work goes on; the journal reports how it ended.
"""

from __future__ import annotations

from typing import Any

from lightning_agent.errors import Busy
from lightning_agent.modules.aside import aside
from lightning_agent.modules.base import Module, Parts, parameters_of, procedure
from lightning_agent.modules.command import CommandFailed, Outcome, run_command
from lightning_agent.owner import REQUIREMENT, UPGRADE
from lightning_agent.protocol.device import (
    FAMILIES,
    LATEST,
    MIN_DELAY_S,
    PackageParameters,
    UpgradeParameters,
)
from lightning_agent.protocol.messages import OperationCall
from lightning_agent.waiting import in_background

DISTRIBUTION = "iotronic-mec[agent]"
"""What an upgrade of the agent installs."""


class Package(Module):
    """``package.run`` and ``package.upgrade``; one at a time."""

    name = "package"

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        self._busy = False

    @procedure(effect=True, background=True)
    async def run(self, order: OperationCall) -> dict[str, Any]:
        """Have a package manager install, update or remove something."""
        wanted = parameters_of(order, PackageParameters)
        self.parts.owner.check_manager(wanted.manager)
        outcome = await self._work(package_command(wanted), wanted.limit_s)
        return {"message": "Package operation completed!", "output": outcome.output}

    @procedure(effect=True, background=True)
    async def upgrade(self, order: OperationCall) -> dict[str, Any]:
        """Install another version of the agent, then start it anew; plugins go on."""
        wanted = parameters_of(order, UpgradeParameters)
        self.parts.owner.check(UPGRADE)
        argv = upgrade_command(self.parts.owner.upgrade_command, wanted.version)
        outcome = await self._work(argv, wanted.limit_s)
        self.parts.reactor.callLater(
            MIN_DELAY_S, lambda: in_background(self._restart(), "restart after the upgrade")
        )
        return {"message": "LR upgraded", "output": outcome.output}

    async def _work(self, argv: list[str], limit_s: float) -> Outcome:
        if self._busy:
            raise Busy("another package operation is under way on this board")
        self._busy = True
        limit_s = min(limit_s, self.parts.owner.work_limit_s)
        try:
            outcome = await aside(
                self.parts.reactor, lambda: run_command(argv, limit_s), "package"
            )
        finally:
            self._busy = False
        if outcome.code != 0:
            raise CommandFailed(
                f"{argv[0]} ended with {outcome.code}",
                details={"exit_code": outcome.code, "output": outcome.output},
            )
        return outcome

    async def _restart(self) -> None:
        await self.parts.power.flush()
        await self.parts.power.restart()


def package_command(wanted: PackageParameters) -> list[str]:
    """Return the argument list of a checked package operation."""
    family = FAMILIES[wanted.manager]
    gone = wanted.command in ("remove", "uninstall")
    if family == "apt":
        return _apt(wanted, gone=gone)
    if family == "pip":
        if gone:
            return ["pip3", "uninstall", "--yes", *wanted.options, "--", wanted.package]
        renew = ["--upgrade"] if wanted.command != "install" else []
        return ["pip3", "install", *renew, *wanted.options, "--", _versioned(wanted, "==")]
    verb = {"install": "install", "update": "update", "upgrade": "update"}
    name = _versioned(wanted, "@")
    if wanted.version and wanted.command != "install":
        verb = {**verb, wanted.command: "install"}
    return ["npm", verb.get(wanted.command, "uninstall"), "--global", *wanted.options, "--", name]


def _apt(wanted: PackageParameters, *, gone: bool) -> list[str]:
    start = ["apt-get", "-q", "-y", *wanted.options]
    if not wanted.package:
        return [*start, wanted.command]
    if gone:
        return [*start, "remove", "--", wanted.package]
    renew = ["--only-upgrade"] if wanted.command == "upgrade" else []
    return [*start, "install", *renew, "--", _versioned(wanted, "=")]


def _versioned(wanted: PackageParameters, sign: str) -> str:
    if wanted.version in ("", LATEST):
        return wanted.package
    return f"{wanted.package}{sign}{wanted.version}"


def upgrade_command(template: tuple[str, ...], version: str) -> list[str]:
    """Return the owner's command with the wanted version in its place."""
    requirement = DISTRIBUTION if version == LATEST else f"{DISTRIBUTION}=={version}"
    return [requirement if word == REQUIREMENT else word for word in template]

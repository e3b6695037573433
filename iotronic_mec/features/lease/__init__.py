"""Leases: what was started under grants, and how it ends with them."""

from __future__ import annotations

from iotronic_mec.feature import Consumer, Feature, Periodic
from iotronic_mec.features.lease import commands
from iotronic_mec.features.lease.commands import LeaseCommands

FEATURE = Feature(
    name="lease",
    commands=LeaseCommands,
    on_grant_end=commands.grant_ended,
    on_delete={"board": commands.board_deleted},
    on_renew=commands.renew,
    consumers=(
        Consumer(
            name="lease-end", topics=frozenset({commands.TOPIC}), handle=commands.tell_boards
        ),
    ),
    periodics=(
        Periodic(
            name="settle-leases",
            every_s=10.0,
            run=lambda parts, made: made["lease"].settle(),
        ),
    ),
)

"""Holdings: what the cloud has outside on behalf of a board, and how it is given back."""

from __future__ import annotations

from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.holding import reports
from iotronic_mec.features.holding.commands import HoldingCommands

FEATURE = Feature(
    name="holding",
    commands=HoldingCommands,
    on_delete={"board": reports.board_deleted},
    periodics=(
        Periodic(
            name="close-holdings",
            every_s=5.0,
            run=lambda parts, made: made["holding"].close_due(),
        ),
    ),
)

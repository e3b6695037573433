"""Boards: registration, enrolment, sessions, labels, places, actions."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Consumer, Feature, Periodic
from iotronic_mec.features.board import reports, store
from iotronic_mec.features.board.access import LENDABLE, WORDS
from iotronic_mec.features.board.api import ROUTES
from iotronic_mec.features.board.commands import BoardCommands
from iotronic_mec.features.board.policy import POLICIES

FEATURE = Feature(
    name="board",
    routes=ROUTES,
    policies=POLICIES,
    commands=BoardCommands,
    quotas=(Counted(resource="boards", count=store.count_boards),),
    lendable={"board": LENDABLE},
    lent_actions={"board": WORDS, "fleet": WORDS},
    may_delete={"project": store.refuse_project, "fleet": store.refuse_fleet},
    on_delete={"fleet": reports.fleet_deleted},
    consumers=(
        Consumer(
            name="wamp-directory",
            topics=frozenset({"board.enrolled", "board.deleted"}),
            handle=reports.spread,
        ),
    ),
    periodics=(
        Periodic(
            name="resume-queued",
            every_s=30.0,
            run=lambda parts, made: made["board"].resume(),
        ),
        Periodic(
            name="wamp-agents",
            every_s=20.0,
            run=lambda parts, made: made["board"].check_agents(),
        ),
    ),
)

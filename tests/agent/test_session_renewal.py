"""Renewing leases: what is asked for, what is taken, and what ends."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_agent.protocol.messages import LeaseAnswer, LeaseList, PluginLease
from lightning_agent.session.renewal import ASK_S, RENEW_S, Renewal
from tests.agent.stand_ins import BOARD, result_of

OTHER = BOARD.replace("3", "4")


class Bench:
    """A renewal between a cloud, leases and a keeper that only note."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.left: dict[str, float] = {}
        self.answer = LeaseAnswer()
        self.asked: list[list[str]] = []
        self.renewed: list[tuple[str, str]] = []
        self.ended: list[tuple[str, str]] = []
        self.heads: list[str | None] = []
        me: Any = self
        self.renewal = Renewal(me, board=BOARD, cloud=me, keeper=me, leases=me, told=self.told)

    def seconds(self) -> float:
        """Return the reactor's time."""
        return self.now_s

    async def call(self, uri: str, message: LeaseList, answer: object) -> LeaseAnswer:
        """Answer as the cloud."""
        self.asked.append(message.leased)
        return self.answer

    async def list_left(self) -> dict[str, float]:
        """Return what is left of the leases."""
        return self.left

    async def renew(self, plugin: str, lease: str) -> None:
        """Note a renewed lease."""
        self.renewed.append((plugin, lease))

    async def end(self, plugin: str, cause: str) -> None:
        """Note an end."""
        self.ended.append((plugin, cause))

    async def told(self, head: str | None) -> None:
        """Note the audit's head."""
        self.heads.append(head)


@pytest.fixture
def bench() -> Bench:
    """Give a board whose session has just begun."""
    return Bench()


def test_what_the_cloud_does_not_renew_is_ended(bench: Bench) -> None:
    """One gets a new lease, the other was taken back while the board was not heard."""
    bench.left = {BOARD: 60.0, OTHER: 60.0}
    bench.answer = LeaseAnswer(leases=[PluginLease(plugin=BOARD, lease="new")])

    result_of(bench.renewal.renew())

    assert bench.asked == [[BOARD, OTHER]]
    assert bench.renewed == [(BOARD, "new")]
    assert bench.ended == [(OTHER, "lease_revoked")]


def test_a_long_lease_is_left_alone(bench: Bench) -> None:
    """Only what ends soon is asked about; what is not asked about does not end."""
    bench.left = {BOARD: RENEW_S - 1, OTHER: RENEW_S + 1}
    bench.answer = LeaseAnswer(leases=[PluginLease(plugin=BOARD, lease="new")])

    result_of(bench.renewal.renew())

    assert bench.asked == [[BOARD]]
    assert bench.ended == []


def test_without_leases_the_head_of_the_audit_is_asked_for_now_and_then(bench: Bench) -> None:
    """A board that stays joined hears of new heads."""
    bench.answer = LeaseAnswer(audit_head=f"7:{'a' * 64}")

    result_of(bench.renewal.renew())
    bench.now_s = ASK_S
    result_of(bench.renewal.renew())

    assert (bench.asked, bench.heads) == ([[]], [f"7:{'a' * 64}"])

"""Idempotency keys: what was asked with each, and how it was answered."""

from __future__ import annotations

from iotronic_mec.feature import Feature, Periodic
from iotronic_mec.features.idempotency.commands import IdempotencyCommands

FEATURE = Feature(
    name="idempotency",
    commands=IdempotencyCommands,
    periodics=(
        Periodic(
            name="expire-idempotency-keys",
            every_s=600.0,
            run=lambda parts, made: made["idempotency"].expire(),
        ),
    ),
)

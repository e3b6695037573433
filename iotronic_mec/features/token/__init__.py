"""Tokens: secrets that stand for a user in one project."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature
from iotronic_mec.features.token import store
from iotronic_mec.features.token.api import ROUTES
from iotronic_mec.features.token.commands import TokenCommands
from iotronic_mec.features.token.periodic import PERIODICS
from iotronic_mec.features.token.policy import POLICIES

FEATURE = Feature(
    name="token",
    routes=ROUTES,
    policies=POLICIES,
    commands=TokenCommands,
    periodics=PERIODICS,
    quotas=(Counted(resource="tokens", count=store.count_issued),),
)

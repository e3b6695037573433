"""Identity: users, roles and tokens where there is no Keystone."""

from __future__ import annotations

from iotronic_mec.counted import Counted
from iotronic_mec.feature import Feature
from iotronic_mec.features.identity import store
from iotronic_mec.features.identity.api import ROUTES
from iotronic_mec.features.identity.commands import IdentityCommands, no_users
from iotronic_mec.features.identity.policy import POLICIES

FEATURE = Feature(
    name="identity",
    routes=ROUTES,
    policies=POLICIES,
    commands=IdentityCommands,
    quotas=(Counted(resource="users", count=store.count_members),),
    may_delete={"project": no_users},
)

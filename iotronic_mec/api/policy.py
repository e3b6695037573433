"""Who may do what: oslo.policy with the features' rules, and its verdicts kept.

Default is deny: an unknown rule lets nobody pass. Verdicts are remembered for
:data:`FRESH_S` by everything a rule can look at (caller, roles, target), since
one evaluation costs 0.14 ms; a changed policy file counts after that time.

Roles and what they mean here; names of upstream's clouds are taken as well:

====================  =====================  ==================================
role                  same as                may
====================  =====================  ==================================
admin                 administrator          everything, in all projects
member                admin_iot_project,     everything in the own project
                      manager_iot_project
user_iot              (upstream's name)      as member, but makes and deletes
                                             no boards and gives no codes
reader                                       read in the own project
====================  =====================  ==================================

Source: spec/iotronic-api.md section 3; spec/hot-path.md sections 2 and 7.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from oslo_config import cfg
from oslo_policy import policy

from iotronic_mec.clock import Clock
from iotronic_mec.context import ADMIN, Context
from iotronic_mec.errors import Forbidden
from iotronic_mec.feature import Feature, Policy

LOG = logging.getLogger(__name__)

FRESH_S = 10.0
"""How long verdicts are kept, seconds; then the policy file is looked at again."""

MAX_VERDICTS = 8192
"""Most verdicts kept at a time."""

ALIASES: Mapping[str, str] = {"administrator": ADMIN}
"""Roles of upstream that count as ours wherever roles are compared by name."""

BASE = (
    Policy(
        name="iot_admin",
        check="role:admin or role:administrator",
        description="Who runs the cloud",
    ),
    Policy(
        name="iot_manager",
        check=(
            "rule:iot_admin or role:member or role:admin_iot_project or role:manager_iot_project"
        ),
        description="Who may make and delete boards in the own project",
    ),
    Policy(
        name="iot_member",
        check="rule:iot_manager or role:user_iot",
        description="Who may use and change what the own project has",
    ),
    Policy(
        name="iot_reader",
        check="rule:iot_member or role:reader",
        description="Who may see what the own project has",
    ),
    Policy(
        name="iot_self",
        check="user:%(user)s",
        description="The user the thing belongs to",
    ),
    Policy(
        name="iot:health:parts",
        check="rule:iot_admin",
        description="See how each part of the cloud is, and why one is not well",
        operations=(("GET", "/healthcheck/parts"),),
    ),
    Policy(
        name="iot_own_project",
        check="project:%(project)s",
        description="The project the thing belongs to",
    ),
)
"""Rules the features' rules are made of."""


def known_roles(roles: Iterable[str]) -> tuple[str, ...]:
    """Return the roles with those they are an alias of, sorted."""
    found = {role.lower() for role in roles}
    found |= {ALIASES[role] for role in found if role in ALIASES}
    return tuple(sorted(found))


def rules(features: Iterable[Feature]) -> list[Any]:
    """Return oslo.policy's defaults for all rules, for enforcer and generator."""
    return [
        _default(entry)
        for policies in (BASE, *(feature.policies for feature in features))
        for entry in policies
    ]


def _default(entry: Policy) -> Any:
    if not entry.operations:
        return policy.RuleDefault(entry.name, entry.check, description=entry.description)
    operations: Any = [{"method": verb, "path": path} for verb, path in entry.operations]
    return policy.DocumentedRuleDefault(entry.name, entry.check, entry.description, operations)


def wrong_rules(features: Iterable[Feature], path: Path) -> tuple[list[str], list[str]]:
    """Say what is wrong with an operator's policy file.

    :returns: why it cannot be used, and what in it has no effect
    """
    try:
        enforcer = _enforcer(features, path)
        # oslo.policy logs references that lead nowhere and says only that there are some
        sound = enforcer.check_rules()
    except (OSError, ValueError, AttributeError, cfg.Error) as error:
        # the third is what oslo.policy makes of a list where a map is meant
        return [f"{path.name}: {error}"], []
    given = {name: str(rule) for name, rule in enforcer.rules.items()}
    meant = {found for check in given.values() for found in _REFERENCE.findall(check)}
    wrong = [f"rule {name} does not exist" for name in sorted(meant - set(given))]
    for name, rule in sorted(enforcer.file_rules.items()):
        # what cannot be read denies
        if str(rule.check) == "!" and str(rule.check_str).strip() != "!":
            wrong.append(f"rule {name} cannot be read: {rule.check_str}")
    if not sound and not wrong:
        wrong = [f"{path.name}: rules refer to each other in a circle"]
    idle = set(enforcer.file_rules) - set(enforcer.registered_rules) - meant
    return wrong, [f"nobody asks for rule {name}" for name in sorted(idle)]


_REFERENCE = re.compile(r"\brule:([A-Za-z0-9_:.-]+)")


def _enforcer(features: Iterable[Feature], path: Path) -> Any:
    """Return oslo.policy with the features' rules and those of a file."""
    conf = cfg.ConfigOpts()
    conf([], project="iotronic", default_config_files=[], default_config_dirs=[])
    # use_conf stays on: without it oslo.policy never merges the registered
    # defaults and every rule denies in silence
    made = policy.Enforcer(conf, policy_file=str(path))
    conf.set_override("policy_dirs", [], group="oslo_policy")
    made.suppress_deprecation_warnings = True
    made.register_defaults(rules(features))
    made.load_rules()
    return made


class Policies:
    """Decides by the rules of the features and the operator's policy file.

    Any thread.

    :param policy_file: overrides of the defaults; need not exist
    """

    def __init__(
        self, features: Iterable[Feature], clock: Clock, policy_file: Path | None = None
    ) -> None:
        self._enforcer = _enforcer(features, policy_file or Path("policy.yaml"))
        self._names = frozenset(self._enforcer.registered_rules)
        self._clock = clock
        self._lock = threading.Lock()
        self._verdicts: dict[Any, bool] = {}
        self._until = 0.0

    @property
    def names(self) -> frozenset[str]:
        """Names of all rules there are."""
        return self._names

    def allows(self, rule: str, context: Context, target: Mapping[str, str]) -> bool:
        """Say whether the rule lets the caller act on the target."""
        now = self._clock.monotonic()
        if now >= self._until or len(self._verdicts) > MAX_VERDICTS:
            self._verdicts = {}
            self._until = now + FRESH_S
        key = (rule, context.user, context.project, context.roles, tuple(target.items()))
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = self._evaluate(rule, context, target)
        return verdict

    def enforce(self, rule: str, context: Context, target: Mapping[str, str]) -> None:
        """Do nothing when the rule lets the caller act on the target.

        :raises Forbidden: when it does not
        """
        if not self.allows(rule, context, target):
            raise Forbidden(
                f"the policy does not allow {rule} for {context.user_name or context.user}",
                details={"rule": rule},
            )

    def _evaluate(self, rule: str, context: Context, target: Mapping[str, str]) -> bool:
        if rule not in self._names:
            LOG.error("request %s: there is no rule %r: denied", context.request_id, rule)
            return False
        caller = {
            "user": context.user,
            "user_id": context.user,
            "project": context.project,
            "project_id": context.project,
            "roles": list(context.roles),
        }
        with self._lock:
            return bool(self._enforcer.enforce(rule, dict(target), caller))

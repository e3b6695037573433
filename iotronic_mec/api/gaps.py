"""What a route lacks: a rule, a schema, documentation. The tests ask."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from iotronic_mec.api.policy import BASE
from iotronic_mec.feature import PUBLIC, Feature, Policy, Route

WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def gaps(
    features: Iterable[Feature], rules: Collection[str], base: Iterable[Route] = ()
) -> list[str]:
    """Return one sentence for each thing a route lacks; empty when all is well.

    :param rules: names of the rules the policy knows
    :param base: routes of the machinery itself
    """
    listed = tuple(features)
    own = (BASE, *(feature.policies for feature in listed))
    policies = {policy.name: policy for policies in own for policy in policies}
    found = []
    for route in (*base, *(route for feature in listed for route in feature.routes)):
        where = f"{route.method} {route.path}"
        found += [f"{where} {lack}" for lack in _lacks(route, policies, rules)]
    return found


def _lacks(route: Route, policies: dict[str, Policy], rules: Collection[str]) -> list[str]:
    found = []
    policy = policies.get(route.policy)
    if not route.policy:
        found.append("has no policy")
    elif route.policy != PUBLIC and (policy is None or route.policy not in rules):
        found.append(f"has the policy {route.policy}, which no feature defines")
    elif policy is not None and (route.method, route.path) not in policy.operations:
        found.append(f"is not among the operations of {route.policy}")
    if not route.summary.strip():
        found.append("has no summary")
    if route.method in WITH_BODY and route.body is None:
        found.append("has no schema of its body")
    if route.answer is None and route.status != 204 and route.media_type == "application/json":
        found.append("has no schema of its answer")
    return found

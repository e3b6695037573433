"""All rules of the policy, for oslo.policy's sample generator."""

from __future__ import annotations

from typing import Any

from iotronic_mec.api.policy import rules
from iotronic_mec.registry import FEATURES


def list_rules() -> list[Any]:
    """Return the defaults of all rules; the ``oslo.policy.policies`` entry point."""
    return rules(FEATURES)

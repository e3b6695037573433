"""What an audit row is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from iotronic_mec.audit_chain import row_hash
from iotronic_mec.clock import iso

SECRET_KEYS = frozenset(
    {"password", "old_password", "secret", "token", "code", "authorization", "private_key"}
)
"""Keys of details whose values never reach the audit."""

HIDDEN = "***"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """Who did what to what, and how it ended."""

    sequence: int
    time: datetime
    project: str
    user: str
    user_name: str
    action: str
    target_kind: str
    target: str
    outcome: str
    reason: str
    request_id: str
    details: Mapping[str, Any]
    previous: str
    hash: str = ""

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON form, which is also what the hash is made of."""
        return {
            "sequence": self.sequence,
            "time": iso(self.time),
            "project": self.project,
            "user": self.user,
            "user_name": self.user_name,
            "action": self.action,
            "target_kind": self.target_kind,
            "target": self.target,
            "outcome": self.outcome,
            "reason": self.reason,
            "request_id": self.request_id,
            "details": dict(self.details),
            "previous": self.previous,
            "hash": self.hash,
        }

    def digest(self) -> str:
        """Return the hash the row should have."""
        return row_hash(self.to_wire(), self.previous)


def without_secrets(value: Any) -> Any:
    """Return JSON-ready details with the values of secret keys hidden."""
    if isinstance(value, Mapping):
        return {
            str(key): HIDDEN
            if str(key).lower() in SECRET_KEYS and inner
            else without_secrets(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [without_secrets(inner) for inner in value]
    return value

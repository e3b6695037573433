"""What a grant is: who lends which operations on what to whom, on which terms.

Terms only ever get narrower on the way down: :func:`wider` names the first
dimension in which a grant on would give more than it was made from. Upstream
calls this *delegated authorizations*.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from iotronic_mec.errors import BadRequest, Conflict, Forbidden, NotFound
from iotronic_mec.ids import is_uuid, normal_uuid

KIND = "grant"
"""How grants are called in the audit and in events."""

USER = "user"
PROJECT = "project"

EVERY = "*"
"""Target of a grant on all things of a kind that the lender's project has."""

BOARD = "board"
FLEET = "fleet"
PLUGIN = "plugin"

MAX_DEPTH = 8
"""Most grants in a chain of lending on; chosen here."""

LIVE = "live"
REVOKED = "revoked"
EXPIRED = "expired"
NOT_YET = "not_yet"
OUT_OF_HOURS = "out_of_hours"
USED_UP = "used_up"
DEAD = "dead"
NOT_LENT = "not_lent"

MEANING = {
    LIVE: "it can be used now",
    REVOKED: "it, or a grant it was made from, was revoked",
    EXPIRED: "its time is over",
    NOT_YET: "its time has not begun",
    OUT_OF_HOURS: "it can be used at other hours of the day",
    USED_UP: "it, or a grant it was made from, was used as often as it may be",
    DEAD: "who lends has no right to it any more, or the thing is gone",
    NOT_LENT: "it does not lend this",
}
"""How a grant stands, and why one does not let an operation pass."""

_DETAIL = re.compile(r"[a-z_.]{1,40}(:[A-Za-z0-9_.-]{1,39})?")

_ROLES = frozenset(
    {"admin", "administrator", "member", "admin_iot_project", "manager_iot_project", "user_iot"}
)
"""Roles that may use what a project has, and so lend it; see ``api.policy``."""


class GrantNotFound(NotFound):
    """There is no such grant."""

    code = "iot.grant.not_found"


class GrantWider(Conflict):
    """A grant made from another one would give more than that one."""

    code = "iot.grant.wider"


class NotRelendable(Conflict):
    """The grant cannot be lent on."""

    code = "iot.grant.not_relendable"


class NotYours(Forbidden):
    """Only who lent it, or who lent to them, may do this."""

    code = "iot.grant.not_yours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """A part of each day: from ``start`` to before ``end``, local time of ``zone``.

    ``HH:MM``; an ``end`` before ``start`` is on the next day.
    """

    start: str
    end: str
    zone: str

    def close(self, now: datetime) -> datetime | None:
        """Return when the present window ends, ``None`` outside of one."""
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        for day in (today - timedelta(days=1), today):
            last = day if self.end > self.start else day + timedelta(days=1)
            opens = datetime.combine(day, _time(self.start), zone).astimezone(UTC)
            closes = datetime.combine(last, _time(self.end), zone).astimezone(UTC)
            if opens <= now < closes:
                return closes
        return None

    def within(self, other: Hours) -> bool:
        """Say whether this is a part of the other; only in the same zone."""
        if self.zone != other.zone:
            return False
        start = (_minutes(self.start) - _minutes(other.start)) % 1440
        length = (_minutes(self.end) - _minutes(self.start)) % 1440
        return start + length <= (_minutes(other.end) - _minutes(other.start)) % 1440

    def to_wire(self) -> dict[str, str]:
        """Return the JSON form."""
        return {"start": self.start, "end": self.end, "zone": self.zone}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is lent, and when and how often.

    :param kind: ``board``, ``fleet``, ``plugin``
    :param target: uuid, or :data:`EVERY`
    :param actions: words; one without ``:`` covers all that begin so
    :param expires_at: ``None``: until it is revoked
    :param max_uses: ``None``: as often as wanted
    :param relend: whether it may be lent on
    """

    kind: str
    target: str
    actions: tuple[str, ...]
    not_before: datetime | None = None
    expires_at: datetime | None = None
    hours: Hours | None = None
    max_uses: int | None = None
    relend: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One lending.

    ``owner``: project of the thing lent. ``by_user`` in ``by_project`` lends;
    for a grant made from another one these are its receiver. ``uses`` counts
    those of the grants made from it as well.
    """

    uuid: str
    parent: str | None
    owner: str
    by_user: str
    by_project: str
    to_kind: str
    to: str
    terms: Terms
    description: str = ""
    uses: int = 0
    created_at: datetime
    revoked_at: datetime | None = None

    def is_for(self, user: str, project: str) -> bool:
        """Say whether it was given to this user, or to whom acts in this project."""
        return self.to == (user if self.to_kind == USER else project)

    def standing(self, now: datetime, *, counting: bool = True) -> str:
        """Return how it stands by itself, without those it was made from.

        :param counting: whether its uses matter
        """
        terms = self.terms
        if self.revoked_at is not None:
            return REVOKED
        if terms.expires_at is not None and now >= terms.expires_at:
            return EXPIRED
        if terms.not_before is not None and now < terms.not_before:
            return NOT_YET
        if terms.hours is not None and terms.hours.close(now) is None:
            return OUT_OF_HOURS
        if counting and terms.max_uses is not None and self.uses >= terms.max_uses:
            return USED_UP
        return LIVE

    def until(self, now: datetime) -> datetime | None:
        """Return when a live one ends if nothing changes, ``None`` for never."""
        closes = None if self.terms.hours is None else self.terms.hours.close(now)
        ends = [moment for moment in (self.terms.expires_at, closes) if moment is not None]
        return min(ends, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a grant; ``request`` is the order it was for, if it was one."""

    uuid: str
    grant: str
    user: str
    project: str
    kind: str
    target: str
    action: str
    number: int
    request: str | None
    created_at: datetime


def covers(actions: Iterable[str], action: str) -> bool:
    """Say whether the words let an action pass.

    >>> covers(["board.action"], "board.action:DeviceEcho")
    True
    >>> covers(["board.action:DeviceEcho"], "board.action:DeviceReboot")
    False
    """
    word = action.partition(":")[0]
    return any(each in (action, word) for each in actions)


def lends(terms: Terms, kind: str, target: str, within: Iterable[tuple[str, str]]) -> bool:
    """Say whether the terms are about a thing.

    :param within: what the thing is a part of: kind and uuid
    """
    places = ((kind, target), *within)
    return any(terms.kind == each and terms.target in (uuid, EVERY) for each, uuid in places)


def wider(new: Terms, old: Terms, uses: int = 0) -> tuple[str, str] | None:
    """Return field and rule of the first dimension in which new terms give more.

    Whether a thing of another kind is within the old target is the caller's to find out.

    :param uses: how often the old ones were used already
    """
    checks = (
        ("actions", all(covers(old.actions, each) for each in new.actions), "only those it lends"),
        ("not_before", _not_earlier(new, old), "not before the beginning of that grant"),
        ("expires_at", _not_later(new, old), "not after the end of that grant"),
        (
            "hours",
            old.hours is None or (new.hours is not None and new.hours.within(old.hours)),
            "within the hours of that grant, in the same time zone",
        ),
        (
            "max_uses",
            old.max_uses is None
            or (new.max_uses is not None and new.max_uses <= old.max_uses - uses),
            "at most what is left of that grant",
        ),
        ("relend", old.relend, "that grant may not be lent on"),
    )
    return next(((field, rule) for field, passes, rule in checks if not passes), None)


def check_hours(given: Mapping[str, Any] | None) -> Hours | None:
    """Return the hours a client gave.

    :raises BadRequest: names the field and the rule
    """
    if given is None:
        return None
    hours = Hours(start=str(given["start"]), end=str(given["end"]), zone=str(given["zone"]))
    try:
        ZoneInfo(hours.zone)
    except (OSError, ValueError, KeyError) as error:
        raise BadRequest(
            "hours.zone: a name of the IANA time zone database, such as Europe/Rome, is expected",
            details={"field": "hours.zone"},
        ) from error
    if hours.start == hours.end:
        raise BadRequest("hours.end: must differ from hours.start", details={"field": "hours.end"})
    return hours


def check_actions(given: Iterable[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words a client gave, without those that others cover.

    :param known: word to its sentence; ``word:detail`` narrows one
    :raises BadRequest: names the word and what is known
    """
    words = tuple(dict.fromkeys(given))
    if not words:
        raise BadRequest("actions: at least one is expected", details={"field": "actions"})
    for word in words:
        if word.partition(":")[0] not in known or _DETAIL.fullmatch(word) is None:
            raise BadRequest(
                f"actions: {word[:80]!r} is not known; known are {', '.join(sorted(known))}",
                details={"field": "actions", "known": sorted(known)},
            )
    return tuple(word for word in words if ":" not in word or word.partition(":")[0] not in words)


def plain_id(text: str) -> str:
    """Return the one form of a user's or a project's id: Keystone writes no dashes."""
    return normal_uuid(text) if is_uuid(text) else text


def may_lend(roles: Iterable[str]) -> bool:
    """Say whether somebody with these roles in a project may use what it has."""
    return not _ROLES.isdisjoint(role.lower() for role in roles)


def _not_earlier(new: Terms, old: Terms) -> bool:
    begins = old.not_before
    return begins is None or (new.not_before is not None and new.not_before >= begins)


def _not_later(new: Terms, old: Terms) -> bool:
    ends = old.expires_at
    return ends is None or (new.expires_at is not None and new.expires_at <= ends)


def _time(text: str) -> time:
    return time(int(text[:2]), int(text[3:]))


def _minutes(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])

"""What a quota is: the most a project may have of one kind of thing.

The defaults are options of ``[quota]``; administrators give single projects
other limits. What counts is what each feature says in ``Feature.quotas``.
"""

from __future__ import annotations

from dataclasses import dataclass

from iotronic_mec.errors import BadRequest, Forbidden

UNLIMITED = -1
"""The limit that is none, as in OpenStack."""

LARGEST = 2**53
"""Largest limit: what every client reads exactly from JSON."""


class QuotaExceeded(Forbidden):
    """The project has as many of these as it may."""

    code = "iot.quota.exceeded"


class UnknownResource(BadRequest):
    """There is no quota of this name."""

    code = "iot.quota.unknown_resource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """One limit of one project: ``limit`` is what counts, ``default`` the cloud's own."""

    resource: str
    limit: int
    default: int
    used: int

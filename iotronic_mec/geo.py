"""Places on the earth as points of the unit sphere: near and far without corner cases.

A place is the vector from the centre to it. The straight line between two such
points (the chord) grows with the great-circle distance, so "within so many metres"
is arithmetic a database can do, and nothing happens at the poles or the
antimeridian. The earth is taken as a sphere: distances are right within 0.6 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius of the earth, metres. Source: IUGG, Geodetic Reference System 1980."""

MAX_RADIUS_M = math.pi * EARTH_RADIUS_M
"""From a place to the one on the other side, metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place on the unit sphere; x² + y² + z² = 1."""

    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Circle:
    """All places within a distance of one.

    ``chord``: longest straight line from the centre to a place within, 0..2.
    """

    centre: Point
    chord: float


def point(latitude: float, longitude: float) -> Point:
    """Return the point of a place given in degrees."""
    phi, theta = math.radians(latitude), math.radians(longitude)
    return Point(
        x=math.cos(phi) * math.cos(theta), y=math.cos(phi) * math.sin(theta), z=math.sin(phi)
    )


def circle(latitude: float, longitude: float, radius_m: float) -> Circle:
    """Return the circle around a place given in degrees.

    :param radius_m: great-circle distance, metres, >= 0
    """
    half = min(radius_m / EARTH_RADIUS_M / 2, math.pi / 2)
    return Circle(centre=point(latitude, longitude), chord=2 * math.sin(half))


def distance_m(one: Point, other: Point) -> float:
    """Return the great-circle distance of two places, metres."""
    chord = math.dist((one.x, one.y, one.z), (other.x, other.y, other.z))
    return 2 * EARTH_RADIUS_M * math.asin(min(chord / 2, 1.0))

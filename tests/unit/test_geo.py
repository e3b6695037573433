"""Places: distances as everybody knows them, at the poles and the antimeridian too."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from iotronic_mec import geo

LATITUDE = st.floats(-90, 90)
LONGITUDE = st.floats(-180, 180)


def haversine_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Return the distance by the textbook."""
    (p1, l1), (p2, l2) = (tuple(map(math.radians, pair)) for pair in (a, b))
    h = math.sin((p2 - p1) / 2) ** 2
    h += math.cos(p1) * math.cos(p2) * math.sin((l2 - l1) / 2) ** 2
    return 2 * geo.EARTH_RADIUS_M * math.asin(math.sqrt(min(h, 1.0)))


@given(LATITUDE, LONGITUDE, LATITUDE, LONGITUDE)
def test_distances_are_those_of_the_haversine(a: float, b: float, c: float, d: float) -> None:
    """Two ways to the same number, wherever on earth."""
    found = geo.distance_m(geo.point(a, b), geo.point(c, d))

    assert found == pytest.approx(haversine_m((a, b), (c, d)), abs=0.5, rel=1e-6)


@given(LATITUDE, LONGITUDE, LATITUDE, LONGITUDE, st.floats(0, 2.1e7))
def test_a_circle_holds_what_is_near(
    a: float, b: float, c: float, d: float, radius_m: float
) -> None:
    """The chord says the same as the distance, but for the last metre."""
    away = haversine_m((a, b), (c, d))
    assume(abs(away - radius_m) > 1 + radius_m * 1e-6)
    around, other = geo.circle(a, b, radius_m), geo.point(c, d)
    centre = around.centre

    chord = math.dist((centre.x, centre.y, centre.z), (other.x, other.y, other.z))

    assert (chord <= around.chord) is (away < radius_m)


@pytest.mark.parametrize(
    ("one", "other", "metres"),
    [
        ((0, 179.999), (0, -179.999), 222.4),
        ((89.999, 0), (89.999, 180), 222.4),
        ((90, 12), (90, -77), 0.0),
        ((0, 0), (0, 180), geo.MAX_RADIUS_M),
        ((46.52, 6.63), (48.86, 2.35), 411_000),
    ],
)
def test_known_distances(
    one: tuple[float, float], other: tuple[float, float], metres: float
) -> None:
    """Across the antimeridian, over the pole, to the other side, Lausanne to Paris."""
    found = geo.distance_m(geo.point(*one), geo.point(*other))

    assert found == pytest.approx(metres, rel=0.01, abs=0.1)

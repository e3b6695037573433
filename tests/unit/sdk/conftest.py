"""A fake cloud and a client that neither sleeps nor rolls dice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from iotronic_mec.sdk import Client, Pace
from tests.fakes.http_cloud import HttpCloud
from tests.fakes.passing_time import PassingTime


@pytest.fixture
def cloud() -> Iterator[HttpCloud]:
    """Run a fake cloud."""
    with HttpCloud() as started:
        yield started


@pytest.fixture
def time() -> PassingTime:
    """Make a clock."""
    return PassingTime()


@pytest.fixture
def client(cloud: HttpCloud, time: PassingTime) -> Client:
    """Make a client of the fake cloud; the longest pause is drawn each time."""
    pace = Pace(jitter=lambda least, most: most, sleep=time.sleep, monotonic=time.monotonic)
    return Client.with_token(cloud.url, cloud.token, pace=pace)

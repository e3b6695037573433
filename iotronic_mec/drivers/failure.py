"""What goes wrong in a driver for the world outside."""

from __future__ import annotations

from iotronic_mec.errors import Error, Unavailable


class DriverFailed(Error):
    """A system outside the cloud refused what a driver asked for."""

    code = "iot.driver.failed"
    http_status = 502


class DriverUnavailable(Unavailable):
    """A system outside the cloud does not answer at the moment; try again later."""

    code = "iot.driver.unavailable"

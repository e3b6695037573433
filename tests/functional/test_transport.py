"""That ``pytest --transport`` means what it says: this suite really crosses it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from iotronic_mec.context import Context
from iotronic_mec.errors import Error
from iotronic_mec.rpc.expose import expose
from tests.fakes.site import Site


class Probe:
    """A planted namespace of the conductor."""

    namespace = "probe"

    @expose
    def thread(self, context: Context) -> int:
        """Return the thread that runs this."""
        return threading.get_ident()

    @expose
    def unsendable(self, context: Context) -> Any:
        """Return what JSON cannot carry."""
        return {"bytes": b"\xff"}


@pytest.fixture
def probed(site: Site) -> Site:
    """Give a site with the probe."""
    site.dispatcher._endpoints["probe"] = Probe()
    return site


def test_calls_run_where_the_transport_has_them_run(
    probed: Site, request: pytest.FixtureRequest
) -> None:
    """In this thread without a bus, in one of the conductor's with it."""
    here = probed.call("probe", "thread") == threading.get_ident()

    assert here == (request.config.getoption("--transport") == "local")


def test_what_cannot_travel_shows(probed: Site, request: pytest.FixtureRequest) -> None:
    """A result no frame can hold comes back without a bus only."""
    if request.config.getoption("--transport") == "local":
        assert probed.call("probe", "unsendable") == {"bytes": b"\xff"}
    else:
        with pytest.raises(Error):
            probed.call("probe", "unsendable")

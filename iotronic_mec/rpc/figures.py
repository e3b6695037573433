"""RPC namespace ``metrics``: a process tells its numbers to the one that is scraped."""

from __future__ import annotations

from iotronic_mec import metrics
from iotronic_mec.context import Context
from iotronic_mec.errors import Forbidden
from iotronic_mec.rpc.expose import expose


class Figures:
    """The numbers of this process."""

    namespace = "metrics"

    @expose
    def collect(self, context: Context) -> metrics.Snapshot:
        """Return all of them.

        :raises Forbidden: for anybody but the cloud itself
        """
        if not context.system:
            raise Forbidden("only the cloud's own processes may")
        return metrics.snapshot()

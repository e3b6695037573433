"""Between the reactor and everything that blocks; the only place that knows both.

:mod:`~iotronic_mec.bridge.local` is the reactor's end of the local transport, for
the process without threads; :mod:`~iotronic_mec.bridge.threads` carries calls
between threads and the reactor of one process; :mod:`~iotronic_mec.bridge.bus`
is, on top of it, the reactor's end of the message bus.
"""

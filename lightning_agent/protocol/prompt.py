"""Writing to a socket at once instead of in the reactor's next round.

Twisted's ``write`` keeps bytes until the reactor finds the socket writable: two
more system calls and a round of the loop for each message, about a tenth of a
call to a board, four times on its way. Reactor thread only.

This is the one place that looks at private names of Twisted's TCP and UNIX
transports; a test holds them. Where they are absent (TLS, tests' transports)
:func:`write` is the transport's own.
"""

from __future__ import annotations

from typing import Any


def write(transport: Any, data: bytes) -> None:
    """Send the bytes now as far as the socket takes them, the rest by the reactor.

    :param transport: a connected transport; bytes that wait already stay first
    """
    # its own attribute, not one it hands through: TLS wraps a plain transport, and
    # writing past it would send clear text
    if (
        vars(transport).get("_tempDataBuffer", True)
        or transport.dataBuffer
        or getattr(transport, "TLS", False)
        or transport.disconnecting
        or not transport.connected
    ):
        transport.write(data)
        return
    try:
        sent = transport.socket.send(data)
    except OSError:
        # full, or broken: the reactor finds out which
        sent = 0
    if sent < len(data):
        transport.write(data[sent:])

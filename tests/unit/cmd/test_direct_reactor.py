"""The front's reactor: it is installed, and a broken connection does not end it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import socket, sys
from iotronic_mec.cmd.front import installed_reactor as reactor
from twisted.internet import protocol
from twisted.python import log

class Breaks(protocol.Protocol):
    def dataReceived(self, data):
        if data == b"break":
            raise RuntimeError("broken on purpose")
        self.transport.write(data)

told = []
log.addObserver(lambda event: told.append(event.get("isError")))
factory = protocol.ServerFactory.forProtocol(Breaks)
port = reactor.listenTCP(0, factory, interface="127.0.0.1")

def ask():
    address = ("127.0.0.1", port.getHost().port)
    answers = []
    for word in (b"break", b"hello"):
        with socket.create_connection(address, timeout=5) as connection:
            connection.sendall(word)
            answers.append(connection.recv(10))
    return answers

def end(answers):
    print(type(reactor).__name__, answers, told.count(1))
    reactor.stop()

from twisted.internet.threads import deferToThread
reactor.callWhenRunning(lambda: deferToThread(ask).addBoth(end))
reactor.callLater(20, reactor.stop)
reactor.run()
"""


def test_a_broken_connection_is_closed_and_the_others_go_on() -> None:
    """What a connection raises is logged, ends it alone, and the next one is served."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout.strip() == "DirectReactor [b'', b'hello'] 1", done.stderr

"""Small HTTP servers on loopback addresses, with or without TLS, good and bad."""

from __future__ import annotations

import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

Answer = Callable[[BaseHTTPRequestHandler], None]


class Web:
    """A server that answers each path as its table says; remembers what it was asked.

    :param answers: path to what answers it; others are 404
    """

    def __init__(self, address: str, port: int, answers: dict[str, Answer]) -> None:
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                made = answers.get(self.path.partition("?")[0])
                if made is None:
                    self.send_error(404)
                else:
                    made(self)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((address, port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def secure(self, folder: Path, host: str) -> ssl.SSLContext:
        """Serve TLS for one host name; return what trusts it."""
        key, certificate = make_certificate(folder, host)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        return ssl.create_default_context(cafile=str(certificate))

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def serving(address: str = "127.0.0.1", port: int = 0, **answers: Answer) -> Iterator[Web]:
    """Run a server; ``answers`` are by path without the slash."""
    web = Web(address, port, {f"/{name}": answer for name, answer in answers.items()})
    web.start()
    try:
        yield web
    finally:
        web.close()


def says(body: bytes, status: int = 200, **headers: str) -> Answer:
    """Return what answers with a body."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return answer


@contextmanager
def dripping(pause_s: float = 0.02) -> Iterator[int]:
    """Run a server that sends one byte of a header at a time, for ever; give its port."""
    stop = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def serve() -> None:
        held: list[socket.socket] = []
        while not stop.wait(pause_s):
            try:
                held.append(listener.accept()[0])
            except TimeoutError:
                pass
            for each in held:
                try:
                    each.send(b"H")
                except OSError:
                    pass
        for each in held:
            each.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        thread.join(5)
        listener.close()


def make_certificate(folder: Path, host: str) -> tuple[Path, Path]:
    """Write a key and a certificate of its own for one host; return both paths."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{host}.key", folder / f"{host}.pem"
    paths[0].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    paths[1].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return paths

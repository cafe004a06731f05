"""A TCP proxy in front of a real server that injects faults, one connection at a time."""

import re
import socket
import ssl
import struct
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from urllib.parse import urlsplit

Fault = Callable[["Exchange"], None]


class Exchange:
    """One request: its bytes, the connection `back` to the client, and the proxy."""

    def __init__(self, back: socket.socket, request: bytes, proxy: "FaultyProxy") -> None:
        self.back, self.request, self.proxy = back, request, proxy

    def answer(self) -> bytes:
        """Send the request to the real server and return its whole response."""
        with socket.create_connection(self.proxy.upstream, timeout=30) as server:
            # With keep-alive, the server would wait for further requests.
            server.sendall(re.sub(rb"(?i)\r\nConnection: keep-alive", b"\r\nConnection: close", self.request))
            return b"".join(iter(lambda: server.recv(65536), b""))


def pass_on(exchange: Exchange) -> None:
    exchange.back.sendall(exchange.answer())


def says(status: str, body: bytes = b"", **headers: str) -> Fault:
    """Answer instead of the server. Header names have _ instead of -."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *lines])
    return lambda exchange: exchange.back.sendall(head.encode() + b"\r\n\r\n" + body)


def says_raw(content: bytes) -> Fault:
    return lambda exchange: exchange.back.sendall(content)


def cut_after(count: int, *, with_length: bool = True) -> Fault:
    """Send the real response up to `count` bytes of its body, with or without Content-Length."""

    def fault(exchange: Exchange) -> None:
        head, _, body = exchange.answer().partition(b"\r\n\r\n")
        if not with_length:
            head = re.sub(rb"(?i)\r\ncontent-length:[^\r]*", b"", head)
        exchange.back.sendall(head + b"\r\n\r\n" + body[:count])

    return fault


def reset_after(count: int) -> Fault:
    """Send `count` bytes of the real response, then reset the connection, as a crash does."""

    def fault(exchange: Exchange) -> None:
        exchange.back.sendall(exchange.answer()[:count])
        exchange.back.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return fault


def silence(exchange: Exchange) -> None:
    """Never answer; the connection stays open until the other side or the test ends it."""
    exchange.proxy.is_over.wait(60)


def drip(exchange: Exchange, pause: float = 0.02) -> None:
    """Send the real response byte by byte."""
    for byte in exchange.answer():
        exchange.back.sendall(bytes([byte]))
        exchange.proxy.is_over.wait(pause)


def held_until(gate: threading.Event) -> Fault:
    """Send the real response when `gate` is set."""

    def fault(exchange: Exchange) -> None:
        gate.wait(60)
        pass_on(exchange)

    return fault


def at(start: str, fault: Fault, otherwise: Fault = pass_on) -> Fault:
    """Apply `fault` to requests that begin with `start` ("DELETE", "GET /api/v1/me"), else `otherwise`."""
    return lambda exchange: (fault if exchange.request.startswith(start.encode()) else otherwise)(exchange)


class FaultyProxy:
    """Forwards to `upstream`. Each connection takes one of `faults`; when none is left, `always` applies.

    `seen` are the received requests. With `tls`, clients must use TLS.
    """

    def __init__(self, upstream: str = "", tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(upstream)
        self.upstream = parts.hostname or "", parts.port or 80
        self.tls = tls
        self.always: Fault = pass_on
        self.faults: list[Fault] = []
        self.seen: list[bytes] = []
        self.is_over = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listening.getsockname()[1]
        return port

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.is_over.set()
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._attend, args=(connection,), daemon=True).start()

    def _attend(self, connection: socket.socket) -> None:
        with suppress(OSError), ExitStack() as stack:
            back = stack.enter_context(closing(connection))
            if self.tls:
                back = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
            self.attend(back)

    def attend(self, back: socket.socket) -> None:
        """Read one request and apply the next fault to it."""
        request = read_request(back)
        if request:
            self.seen.append(request)
            fault = self.faults.pop(0) if self.faults else self.always
            fault(Exchange(back, request, self))


class HttpProxy(FaultyProxy):
    """An HTTP proxy that connects every host to `upstream`; it can require a user name and password."""

    lets_in = ""  # NAME:PASSWORD; "" requires none

    def attend(self, back: socket.socket) -> None:
        request = read_request(back)
        self.seen.append(request)
        if self.lets_in and b64encode(self.lets_in.encode()) not in request:
            back.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif self.faults:
            self.faults.pop(0)(Exchange(back, request, self))
        elif request.startswith(b"CONNECT "):
            self._join(back)
        else:
            pass_on(Exchange(back, _for_the_server(request), self))

    def _join(self, back: socket.socket) -> None:
        with socket.create_connection(self.upstream, timeout=30) as server:
            back.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            other = threading.Thread(target=_pour, args=(server, back), daemon=True)
            other.start()
            _pour(back, server)
            other.join(30)


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        for piece in _pieces(source):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _pieces(source: socket.socket) -> Iterator[bytes]:
    return iter(lambda: source.recv(65536), b"")


def _for_the_server(request: bytes) -> bytes:
    """Return a request in absolute form as a proxy forwards it, without the header for the proxy."""
    request = re.sub(rb"^(\w+) http://[^/ ]+", rb"\1 ", request)
    return re.sub(rb"(?i)\r\nproxy-authorization:[^\r]*", b"", request)


def read_request(connection: socket.socket) -> bytes:
    """Read one whole request: head, and as much body as Content-Length says."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return received
        received += piece
    length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", received)
    end = received.index(b"\r\n\r\n") + 4 + (int(length[1]) if length else 0)
    while len(received) < end and (piece := connection.recv(65536)):
        received += piece
    return received

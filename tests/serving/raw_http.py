"""HTTP/1.1 bytes on one connection, for requests that no client library sends."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message
from typing import BinaryIO, NamedTuple

from tests.helpers.live_server import LiveServer

TIMEOUT_S = 15


class RawResponse(NamedTuple):
    """A response as it was received."""

    version: str
    status: int
    headers: Message
    body: bytes


class RawConnection:
    """One connection: `send` bytes, then `read` the responses in order."""

    def __init__(self, connection: socket.socket, stream: BinaryIO) -> None:
        self._connection, self._stream = connection, stream

    def send(self, message: bytes) -> None:
        self._connection.sendall(message)

    def read(self, has_body: bool = True) -> RawResponse:
        """Read one response; those to HEAD, 1xx and 204 have no body."""
        version, status, *_ = self._stream.readline().decode("latin-1").split(" ", 2)
        headers = http.client.parse_headers(self._stream)
        length = int(headers.get("Content-Length", 0)) if has_body and int(status) >= 200 else 0
        return RawResponse(version, int(status), headers, self._stream.read(length))

    def read_to_end(self) -> bytes:
        """Read until the server closes the connection."""
        return self._stream.read()

    def exchange(self, message: bytes) -> RawResponse:
        self.send(message)
        return self.read(has_body=not message.startswith(b"HEAD "))


@contextmanager
def connected(server: LiveServer) -> Iterator[RawConnection]:
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, TIMEOUT_S) as connection, connection.makefile("rb") as stream:
        yield RawConnection(connection, stream)


def request(path: str | bytes, method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of an HTTP/1.1 request; names of headers have underscores for hyphens here."""
    target = path if isinstance(path, bytes) else path.encode()
    if body:
        headers.setdefault("Content_Length", str(len(body)))
    fields = {"Host": "127.0.0.1"} | headers
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return method.encode() + b" " + target + b" HTTP/1.1\r\n" + lines.encode("latin-1") + b"\r\n" + body

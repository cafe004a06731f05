"""Sends one HTTP request with the standard library: no redirects, limited size and time, files as a stream."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from contextlib import closing
from email.message import Message
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http import timeouts
from reflow_accounts.cli.http.errors import endless, incomplete, proxy_authentication, unreachable
from reflow_accounts.cli.http.server_address import Proxy, proxy_for

LARGEST_ANSWER = 32 * 1024 * 1024  # bytes
_OK, _PROXY_AUTHENTICATION_REQUIRED = 200, 407
_PIECE = 64 * 1024  # bytes
FILE_TYPES = ("application/jsonl", "text/csv")


class Reply(NamedTuple):
    """A response of any status; `through` names the proxy, if there was one."""

    status: int
    status_line: str
    headers: Message
    content: bytes
    through: str = ""

    @property
    def is_json(self) -> bool:
        """Whether the content type is JSON."""
        return self.headers.get_content_type().endswith("json")

    @property
    def content_description(self) -> str:
        """The content type, or "nothing", for messages."""
        return self.headers.get_content_type() if self.content else "nothing"

    @property
    def redirect_target(self) -> str:
        """The target of a redirect, for messages: scheme and host only, as the rest may be private."""
        try:
            parts = urlsplit(self.headers.get("Location", ""))
            host = parts.hostname
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return "an unreadable address"
        return f"{parts.scheme or 'http'}://{host}{port}" if host else "another page of its own"


class Download(NamedTuple):
    """Callbacks for the content of a response with status 200: `begin` once, `write` for each piece."""

    begin: Callable[[Message], None]
    write: Callable[[bytes], None]


def exchange(
    url: str, method: str, headers: dict[str, str], body: bytes | None, download: Download | None = None
) -> Reply:
    """Send one request and return the response. Raises Unreachable with the reason.

    With `download`, the content of a response with status 200 goes there instead of into the reply.
    """
    parts = urlsplit(url)
    server, proxy = f"{parts.scheme}://{parts.netloc}", proxy_for(parts)
    forwards = proxy is not None and parts.scheme == "http"  # for https, the proxy only opens a tunnel
    headers = {**headers, **(proxy.headers if proxy and forwards else {}), "Connection": "close"}
    # A forwarding proxy expects the whole address in the request line (RFC 9112, section 3.2).
    target = url if forwards else f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    was_sent = False
    try:
        with closing(_connection(parts, proxy)) as connection:
            connection.connect()
            was_sent = True
            connection.request(method, target, body, headers)
            reply = _read(connection.getresponse(), server, proxy, download)
    except (OSError, http.client.HTTPException, UnicodeError) as error:
        fault = unreachable(server, proxy, error)
        fault.was_sent = was_sent
        fault.is_brief = isinstance(error, (ConnectionError, http.client.IncompleteRead))
        raise fault from None
    if proxy and reply.status == _PROXY_AUTHENTICATION_REQUIRED:
        raise proxy_authentication(server, proxy)
    return reply


def _connection(parts: SplitResult, proxy: Proxy | None) -> http.client.HTTPConnection:
    is_secure = parts.scheme == "https"
    kind = http.client.HTTPSConnection if is_secure else http.client.HTTPConnection
    host, port = (proxy.host, proxy.port) if proxy else (parts.hostname or "", parts.port)
    # The default TLS context uses the certificate authorities of this machine.
    connection = kind(host, port or kind.default_port, timeout=timeouts.TIMEOUT)
    connection.response_class = timeouts.TimedResponse
    if proxy and is_secure:
        connection.set_tunnel(parts.hostname or "", parts.port or kind.default_port, proxy.headers)
    return connection


def _read(
    response: http.client.HTTPResponse, server: str, proxy: Proxy | None, download: Download | None
) -> Reply:
    content = b""
    if download and response.status == _OK:
        download.begin(response.headers)
        while piece := response.read1(_PIECE):
            download.write(piece)
    else:
        content = response.read(LARGEST_ANSWER + 1)
    if len(content) > LARGEST_ANSWER:
        raise Unreachable(endless(server))
    if response.length:  # read(amount) returns a short answer without an error
        fault = Unreachable(incomplete(server))
        fault.is_brief = True
        raise fault
    line = f"HTTP/{response.version / 10} {response.status} {response.reason}".rstrip()
    return Reply(response.status, line, response.headers, content, str(proxy) if proxy else "")


def is_file(reply: Reply) -> bool:
    """Return whether `reply` is a file, whose content went to the `Download`."""
    return reply.status == _OK and reply.headers.get_content_type() in FILE_TYPES


def exchange_file(
    url: str,
    method: str,
    headers: dict[str, str],
    body: bytes | None,
    download: Download,
    before: Callable[[], None],
) -> Reply:
    """Send one request as `exchange` does; if the response is a file, call `before` and stream it to `download`.

    Raises the OSErrors of `download`, and Unreachable for any other response that is too large.
    """
    parts = urlsplit(url)
    receiver = _Receiver(f"{parts.scheme}://{parts.netloc}", download, before)
    try:
        reply = exchange(url, method, headers, body, Download(receiver.begin, receiver.write))
    except _NotWritten as fault:
        raise fault.error from None
    return reply._replace(content=reply.content or bytes(receiver.collected))


class _NotWritten(Exception):
    """A `download` failed with `error`, which `exchange` would mistake for a network error."""

    def __init__(self, error: OSError) -> None:
        super().__init__(error)
        self.error = error


class _Receiver:
    """Receives the content of one response with status 200."""

    def __init__(self, server: str, download: Download, before: Callable[[], None]) -> None:
        self._server, self._download, self._before = server, download, before
        self._is_file = False
        self.collected = bytearray()

    def begin(self, headers: Message) -> None:
        self._is_file = headers.get_content_type() in FILE_TYPES
        if not self._is_file:
            return
        self._before()
        try:
            self._download.begin(headers)
        except OSError as error:
            raise _NotWritten(error) from None

    def write(self, piece: bytes) -> None:
        if not self._is_file:
            self.collected += piece
            if len(self.collected) > LARGEST_ANSWER:
                raise Unreachable(endless(self._server))
            return
        try:
            self._download.write(piece)
        except OSError as error:
            raise _NotWritten(error) from None

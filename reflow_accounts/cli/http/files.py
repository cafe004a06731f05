"""Streams the files of the API, such as exports; any other answer is collected in memory."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from urllib.parse import urlsplit

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.http.errors import endless
from reflow_accounts.cli.http.transport import LARGEST_ANSWER, Download, Reply, exchange

FILE_TYPES = ("application/jsonl", "text/csv")
_OK = 200


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

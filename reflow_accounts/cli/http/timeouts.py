"""Limits the time for each piece of a response and for the whole response."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

TIMEOUT = 10  # seconds, for the connection and for each piece of the response
LONGEST = 120  # seconds, for the whole response


class TooSlow(TimeoutError):
    """The whole response took too long, although each piece arrived in time."""


class TimedResponse(http.client.HTTPResponse):
    """A response with time limits. Reading raises TooSlow after LONGEST, TimeoutError for a slow piece."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_TimedStream(sock, self.fp))


class _TimedStream(io.RawIOBase):
    def __init__(self, sock: socket.socket, stream: io.BufferedReader) -> None:
        self._socket, self._stream = sock, stream
        self._end = time.monotonic() + LONGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(max(min(TIMEOUT, self._end - time.monotonic()), 0.001))
        try:
            piece = self._stream.read1(len(buffer))
        except TimeoutError:
            raise (TooSlow if time.monotonic() >= self._end else TimeoutError) from None
        if time.monotonic() >= self._end:
            raise TooSlow
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()

"""Limits the time for each read of a response, and for each megabyte of it."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

TIMEOUT = 10  # seconds, for the connection and for each read of the response
LONGEST = 120  # seconds, for each megabyte of the response
MEGABYTE = 1024 * 1024


class TooSlow(TimeoutError):
    """The response is too slow, although some of it arrived in time."""


class TimedResponse(http.client.HTTPResponse):
    """A response with time limits.

    Reading raises TooSlow when less than a megabyte arrived in LONGEST, and TimeoutError when nothing did in TIMEOUT.
    """

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_TimedStream(sock, self.fp))


class _TimedStream(io.RawIOBase):
    def __init__(self, sock: socket.socket, stream: io.BufferedReader) -> None:
        self._socket, self._stream = sock, stream
        self._begin_megabyte()

    def _begin_megabyte(self) -> None:
        self._end, self._left = time.monotonic() + LONGEST, MEGABYTE

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
        self._left -= len(piece)
        if self._left <= 0:
            self._begin_megabyte()
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()

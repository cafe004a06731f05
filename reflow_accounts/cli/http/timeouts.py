"""How long an answer may take: each piece of it, and all of it, so that no drip keeps us for ever."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

TIMEOUT = 10  # seconds, for the connection and for each piece of the answer
LONGEST = 120  # seconds for the whole answer


class TooSlow(TimeoutError):
    """Pieces came, but too few of them."""


class Answer(http.client.HTTPResponse):
    """An answer that has to be there in time. Raises TooSlow, and TimeoutError for one piece."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_InTime(sock, self.fp))


class _InTime(io.RawIOBase):
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

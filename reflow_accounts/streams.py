"""Answers that are sent piece by piece, each from a thread of its own: who reads slowly keeps nobody waiting."""

# Granian sends such an answer from the thread that made it, and waits there for the reader. A worker has
# two: two readers that do nothing would stop it. Answers whose length is known are small and need no thread.

from collections.abc import Callable
from threading import Thread
from typing import Any

Headers = list[tuple[str, str]]
Run = Callable[[Any, dict[str, Any]], int]


class _Protocol:
    """Granian's protocol of one request, with another way to send a stream."""

    __slots__ = ("_stream", "response_bytes")

    def __init__(self, protocol: Any) -> None:
        self.response_bytes = protocol.response_bytes
        self._stream = protocol.response_iter

    def response_iter(self, status: int, headers: Headers, body: Any) -> None:
        if any(name.lower() == "content-length" for name, _ in headers):
            self._stream(status, headers, body)
        else:
            Thread(target=self._stream, args=(status, headers, body), name="stream", daemon=True).start()


def install() -> None:
    """Have the streams of this worker, which is about to load its application, sent from threads of their own."""
    from granian.server import mp

    workers: Any = mp
    workers._wsgi_call_wrap = _with_streams(workers._wsgi_call_wrap)


def _with_streams(wrap: Callable[..., Run]) -> Callable[..., Run]:
    def wrapped(application: Any, *options: Any) -> Run:
        run = wrap(application, *options)
        return lambda protocol, scope: run(_Protocol(protocol), scope)

    return wrapped

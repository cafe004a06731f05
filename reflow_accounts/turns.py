"""Turns: a request is answered once its body is there, so that who sends slowly keeps nobody waiting."""

# Granian reads a body in the thread that answers, and waits there for the client. So there are many threads,
# which mostly wait and cost little, and few turns: more answers at once would only wait for Python's lock and
# for the database's writer (bench/README.md).

from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO
from queue import SimpleQueue
from threading import Thread
from typing import Any

LARGEST_BODY_BYTES = 64 * 1024

# In the environment of a request that may be answered later; and what is then returned for its body.
ANSWER_LATER = "reflow.answer_later"
LATER: Iterator[bytes] = iter(())

Headers = list[tuple[str, str]]
Send = Callable[[int, Headers, bytes], None]
Scope = dict[str, Any]
Run = Callable[[Any, Scope], int]


class Later:
    """The way to answer a request from another thread, when the application has returned `LATER` for it."""

    __slots__ = ("_again", "send")

    def __init__(self, send: Send, again: Callable[[Scope], object]) -> None:
        self.send, self._again = send, again

    def begin_again(self, noted: Scope) -> None:
        """Ask the application anew, with `noted` in its environment, in a turn and a thread of their own.

        It answers at once then: it finds no `Later`.
        """
        Thread(target=self._again, args=(noted,), name="again", daemon=True).start()


class _Protocol:
    """Granian's protocol of one request, which sends nothing when the answer is to come later."""

    __slots__ = ("_stream", "response_bytes")

    def __init__(self, protocol: Any) -> None:
        self.response_bytes = protocol.response_bytes
        self._stream = protocol.response_iter

    def response_iter(self, status: int, headers: Headers, body: Any) -> None:
        if body.inner is not LATER:
            self._stream(status, headers, body)


def install(turns: int, goes_later: Callable[[Scope], bool]) -> None:
    """In a worker, before it serves: have `turns` requests answered at once, none of which waits for its body.

    What `goes_later` needs no turn: the application finds a `Later` under `ANSWER_LATER` and returns soon.
    """
    from granian.server import mp

    workers: Any = mp
    workers._wsgi_call_wrap = _with_turns(workers._wsgi_call_wrap, turns, goes_later)


def _with_turns(
    wrap: Callable[..., Run], turns: int, goes_later: Callable[[Scope], bool]
) -> Callable[..., Run]:
    # Whoever holds one of these answers: a semaphore, at a fraction of the price of Python's own.
    free: SimpleQueue[None] = SimpleQueue()
    for _ in range(turns):
        free.put(None)

    def wrapped(application: Any, *options: Any) -> Run:
        run = wrap(application, *options)

        def in_turn(protocol: Any, scope: Scope) -> int:
            free.get()
            try:
                return run(protocol, scope)
            finally:
                free.put(None)

        def ask_again(protocol: Any, scope: Scope, noted: Scope) -> int:
            return in_turn(protocol, scope | noted)

        def answer(protocol: Any, scope: Scope) -> int:
            if goes_later(scope):
                again = partial(ask_again, protocol, scope)
                return run(_Protocol(protocol), scope | {ANSWER_LATER: Later(protocol.response_bytes, again)})
            if _has_body(scope):
                _take_body(scope)
            return in_turn(protocol, scope)

        return answer

    return wrapped


def _has_body(scope: Scope) -> bool:
    """Say whether there is a body to wait for; one that says to be too large is refused without being read."""
    length = scope.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > LARGEST_BODY_BYTES:
        return False
    return length != "0" or "HTTP_TRANSFER_ENCODING" in scope


def _take_body(scope: Scope) -> None:
    """Read the body. One that came in chunks has a length from here on, like every other: so it has a limit, too."""
    body = _read(scope["wsgi.input"])
    scope["wsgi.input"] = BytesIO(body)
    if scope.pop("HTTP_TRANSFER_ENCODING", None):
        scope["CONTENT_LENGTH"] = str(len(body))


def _read(stream: Any) -> bytes:
    """Return the body, or one byte more than is taken: enough to be refused by."""
    body = bytearray()
    # Once that much is there the stream is asked for nothing, and gives it.
    while more := stream.read(LARGEST_BODY_BYTES + 1 - len(body)):
        body += more
    return bytes(body)

"""Turns: a request is answered once its body is there, so that who sends slowly keeps nobody waiting."""

# Granian reads a body in the thread that answers, and waits there for the client. So there are many threads,
# which mostly wait and cost little, and few turns: more answers at once would only wait for Python's lock and
# for the database's writer (bench/README.md).

from collections.abc import Callable
from io import BytesIO
from queue import SimpleQueue
from typing import Any

LARGEST_BODY_BYTES = 64 * 1024

Scope = dict[str, Any]
Run = Callable[[Any, Scope], int]


def install(turns: int) -> None:
    """In a worker, before it serves: have `turns` requests answered at once, none of which waits for its body."""
    from granian.server import mp

    workers: Any = mp
    workers._wsgi_call_wrap = _with_turns(workers._wsgi_call_wrap, turns)


def _with_turns(wrap: Callable[..., Run], turns: int) -> Callable[..., Run]:
    # Whoever holds one of these answers: a semaphore, at a fraction of the price of Python's own.
    free: SimpleQueue[None] = SimpleQueue()
    for _ in range(turns):
        free.put(None)

    def wrapped(application: Any, *options: Any) -> Run:
        run = wrap(application, *options)

        def answer(protocol: Any, scope: Scope) -> int:
            if _has_body(scope):
                scope["wsgi.input"] = BytesIO(_read(scope["wsgi.input"]))
            free.get()
            try:
                return run(protocol, scope)
            finally:
                free.put(None)

        return answer

    return wrapped


def _has_body(scope: Scope) -> bool:
    """Say whether there is a body to wait for; one that says to be too large is refused without being read."""
    length = scope.get("CONTENT_LENGTH") or "0"
    if length.isdecimal() and int(length) > LARGEST_BODY_BYTES:
        return False
    return length != "0" or "HTTP_TRANSFER_ENCODING" in scope


def _read(stream: Any) -> bytes:
    """Return the body, or one byte more than is taken: enough to be refused by."""
    body = bytearray()
    while len(body) <= LARGEST_BODY_BYTES and (more := stream.read(LARGEST_BODY_BYTES + 1 - len(body))):
        body += more
    return bytes(body)

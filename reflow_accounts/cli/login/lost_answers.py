"""A session that the server began and nobody here heard of, because the answer got lost or Ctrl-C came first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from reflow_accounts.cli.errors import Unreachable
from reflow_accounts.cli.output import say

HINT = "If a session was begun, end it in Account > Security."


@contextmanager
def session_may_begin() -> Iterator[None]:
    """Tell of the session that may be left, when the request in this block was sent and has no answer."""
    try:
        yield
    except Unreachable as fault:
        raise with_hint(fault) from None
    except KeyboardInterrupt:
        say(HINT)
        raise


def with_hint(fault: Unreachable) -> Unreachable:
    """Return `fault`, and what it may have left behind, unless nothing was asked."""
    return Unreachable(*fault.lines, HINT) if fault.was_asked else fault

"""Who is asking, and by which proof: set by a door, read by everything behind it."""

from dataclasses import dataclass
from typing import Any

from flask import g

from reflow_accounts.identity.models import User, UserSession


@dataclass(frozen=True)
class Caller:
    """A user together with the session or the API key (a row of the room api_keys) that proved it."""

    user: User
    session: UserSession | None = None
    key: Any = None


def set_caller(caller: Caller) -> None:
    """Remember the caller of this request; only doors call this."""
    g.caller = caller


def has_caller() -> bool:
    """Say whether a door has let somebody in: not so while it refuses."""
    return "caller" in g


def caller() -> Caller:
    """Return the caller of this request, which a door has let in."""
    found = g.get("caller")
    assert isinstance(found, Caller), "this view hangs on no door"
    return found


def me() -> User:
    """Return the user who is asking."""
    return caller().user

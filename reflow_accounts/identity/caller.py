"""Who is asking, and by which proof: set by a door, read by everything behind it."""

from functools import cached_property
from typing import Any

from flask import g

from reflow_accounts.extensions import db
from reflow_accounts.identity.models import User, UserSession
from reflow_accounts.web import logs


class Caller:
    """A user together with the session or the API key (of the room api_keys) that proved it."""

    def __init__(self, user_id: int, *, session: UserSession | None = None, key: Any = None) -> None:
        self.user_id, self.session, self.key = user_id, session, key

    @cached_property
    def user(self) -> User:
        """The user's row, fetched when a view first asks for it."""
        return self.session.user if self.session else db.session.get_one(User, self.user_id)

    @property
    def public_id(self) -> str:
        """The user's public id, which whatever proved it knows."""
        known: str = self.session.user.public_id if self.session else self.key.facts.user_public_id
        return known


def set_caller(caller: Caller) -> None:
    """Remember the caller of this request; only doors call this."""
    g.caller = caller
    logs.name_person(caller.public_id)


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

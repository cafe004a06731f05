"""Who sent the request, and by which proof: set before the request, read by every view."""

from functools import cached_property
from typing import Any

from flask import g

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db
from reflow_accounts.users.models import User
from reflow_accounts.web import request_logging


class Caller:
    """A user together with the session or the API key that proved it."""

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
    """Remember the caller of this request; only before-request handlers call this."""
    g.caller = caller
    request_logging.name_person(caller.public_id)


def has_caller() -> bool:
    """Say whether somebody was let in: not so while the request is refused."""
    return "caller" in g


def caller() -> Caller:
    """Return the caller of this request, who was let in."""
    found = g.get("caller")
    assert isinstance(found, Caller), "this view is behind no entry point"
    return found


def current_user() -> User:
    """Return the user who is asking."""
    return caller().user

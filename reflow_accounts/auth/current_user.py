"""The caller of the request: the user, and the session or API key that authenticates them."""

from functools import cached_property
from typing import Any

from flask import g

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db
from reflow_accounts.users.models import User
from reflow_accounts.web import request_logging


class Caller:
    """A user, and the session or API key that authenticates them."""

    def __init__(self, user_id: int, *, session: UserSession | None = None, key: Any = None) -> None:
        self.user_id, self.session, self.key = user_id, session, key

    @cached_property
    def user(self) -> User:
        """The user's row, loaded on first access."""
        return self.session.user if self.session else db.session.get_one(User, self.user_id)

    @property
    def public_id(self) -> str:
        """The user's public id, without a query."""
        public_id: str = self.session.user.public_id if self.session else self.key.facts.user_public_id
        return public_id


def set_caller(caller: Caller) -> None:
    """Set the caller of this request; only before-request handlers call this."""
    g.caller = caller
    request_logging.name_person(caller.public_id)


def has_caller() -> bool:
    """Return whether this request is authenticated."""
    return "caller" in g


def caller() -> Caller:
    """Return the caller of this authenticated request."""
    current = g.get("caller")
    assert isinstance(current, Caller), "this view has no entry point that authenticates"
    return current


def page_session() -> UserSession:
    """Return the session of this request for a page, which API keys cannot open."""
    session = caller().session
    assert session, "pages need a session"
    return session


def current_user() -> User:
    """Return the user who sent the request."""
    return caller().user

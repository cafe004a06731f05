"""Append one use of a key to the log."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import insert

from reflow_accounts.api_keys.models import Use
from reflow_accounts.database import db

ACCEPTED = "accepted"


class NewUse(NamedTuple):
    """A use to append; `outcome` is "accepted" or the error code of the response."""

    key_id: int
    at: datetime
    method: str
    path: str
    status: int
    outcome: str
    address: str
    user_agent: str


def record(use: NewUse) -> int:
    """Append a use in the transaction of the session and return its id."""
    number: int = db.session.execute(insert(Use).values(use._asdict()).returning(Use.id)).scalar_one()
    return number

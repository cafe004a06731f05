"""What staff look for, and that it is written down."""

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.extensions import db
from reflow_accounts.identity.models import User
from reflow_accounts.web import text
from reflow_accounts.web.secrecy import holds_secret

EVERYTHING = "every team"


def write_down_search(words: str, *, by: User, address: str) -> None:
    """Write down what staff looked for, also when no words show them every team.

    A secret is neither kept nor, since nothing is found by it, a look at anything.
    """
    if holds_secret(words):
        return
    record(Action.SUPPORT_SEARCHED, by=by, subject=text.tidy(words) or EVERYTHING, address=address)
    db.session.flush()

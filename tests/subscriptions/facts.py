"""Helpers that report licences, and read the history and mail of a team."""

from datetime import datetime, timedelta

from flask import Flask

from reflow_accounts.database import db, now
from reflow_accounts.subscriptions import licences
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.subscriptions.service import changes_of
from tests.factories import Group
from tests.helpers.mailbox import Mailbox

HOUR = timedelta(hours=1)


def buy(group: Group, state: LicenceState = LicenceState.ACTIVE, key: str = "l-1") -> None:
    """Give a team a licence in this state."""
    with group.app.app_context():
        found = licences.learn(key, product_code="reflow", aws_account="123456789012")
        licences.claim(found, group.row(), by=None)
        db.session.commit()
    aws_says(group.app, state, key)


def aws_says(app: Flask, state: LicenceState, key: str = "l-1", *, ends_at: datetime | None = None) -> None:
    """Have AWS report a state; one that is ending ends in an hour unless told otherwise."""
    with app.app_context():
        end = (ends_at or now() + HOUR) if state == LicenceState.ENDING else None
        licences.report(licences.lock_licence(key), state, now(), end, reason="AWS Marketplace reported it.")
        db.session.commit()


def history_of(group: Group) -> list[tuple[str, str, str, str]]:
    """Return who changed the subscription, why, from what and to what; oldest first."""
    with group.app.app_context():
        changes = changes_of(group.row())
    return [(row.by_name, row.kind, row.from_state, row.to_state) for row in reversed(changes)]


def subjects(mailbox: Mailbox) -> list[tuple[str, str]]:
    """Return to whom and about what mail came since the last time."""
    return sorted((message["To"], message["Subject"]) for message in mailbox.deliver())

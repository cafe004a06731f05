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
        licence = licences.add_or_complete(key, product_code="reflow", aws_account="123456789012")
        licences.connect_to_team(licence, group.row(), by=None)
        db.session.commit()
    report_from_aws(group.app, state, key)


def report_from_aws(
    app: Flask, state: LicenceState, key: str = "l-1", *, ends_at: datetime | None = None
) -> None:
    """Report a state as AWS does; a licence that is ending ends in an hour by default."""
    with app.app_context():
        end = (ends_at or now() + HOUR) if state == LicenceState.ENDING else None
        licences.set_aws_state(
            licences.lock_licence(key), state, now(), end, reason="AWS Marketplace reported it."
        )
        db.session.commit()


def history_of(group: Group) -> list[tuple[str, str, str, str]]:
    """Return the changes of the subscription as (by, kind, from, to), oldest first."""
    with group.app.app_context():
        changes = changes_of(group.row())
    return [(row.by_name, row.kind, row.from_state, row.to_state) for row in reversed(changes)]


def delivered_subjects(mailbox: Mailbox) -> list[tuple[str, str]]:
    """Deliver waiting mail; return recipients and subjects, sorted."""
    return sorted((message["To"], message["Subject"]) for message in mailbox.deliver())

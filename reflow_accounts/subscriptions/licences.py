"""Add and update licences from AWS data, and connect each to one team."""

from datetime import datetime

from sqlalchemy import select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import AWS_MARKETPLACE, record
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict
from reflow_accounts.subscriptions.change_log import lock_subscription, record_aws_change
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client


def find_licence(key: str) -> Licence | None:
    """Return the licence with this `l-…` key, reloaded from the database."""
    query = select(Licence).where(Licence.key == key)
    return db.session.scalar(query.execution_options(populate_existing=True))


def add_or_complete(
    key: str, *, product_code: str, aws_account: str, agreement_id: str | None = None, is_trial: bool = False
) -> Licence:
    """Return the licence with this `l-…` key, added if new and locked until the transaction ends.

    Missing values are filled in; known values stay. A licence of which only the agreement was known had the
    agreement's id as its key; it gets the real key. Call it under `lock_marketplace`.
    """
    licence = find_licence(key)
    stand_in = find_licence(agreement_id) if agreement_id and not agreement_id.startswith("l-") else None
    stand_in = None if stand_in is licence else stand_in
    if licence and stand_in:
        db.session.delete(stand_in)
    licence = licence or stand_in or Licence(product_code=product_code, aws_account="")
    licence.key = key
    licence.aws_account = licence.aws_account or aws_account
    licence.agreement_id = licence.agreement_id or agreement_id
    licence.is_trial = licence.is_trial or is_trial
    db.session.add(licence)
    db.session.flush()
    return lock_licence(key)


def lock_licence(key: str) -> Licence:
    """Lock an existing licence until the transaction ends, and return it reloaded.

    The lock order is the marketplace (`lock_marketplace`), licence, team.
    """
    db.session.execute(update(Licence).where(Licence.key == key).values(key=Licence.key))
    licence = find_licence(key)
    assert licence
    return licence


def set_aws_state(
    licence: Licence, state: LicenceState, since_at: datetime, ends_at: datetime | None, *, reason: str
) -> None:
    """Set the AWS state of a locked licence and record the change for its team, with the reason.

    `since_at` is the start of the state according to AWS, `ends_at` the end of an ending licence.
    """
    team = db.session.get(Team, licence.team_id) if licence.team_id else None
    if team:
        lock_subscription(team)
    licence.state, licence.since_at, licence.ends_at = state, since_at, ends_at
    db.session.flush()
    if team:
        record_aws_change(team, reason)


def connect_to_team(licence: Licence, team: Team, *, by: User | None, client: Client | None = None) -> bool:
    """Connect a licence to a team and return whether it had no team before.

    `by` None is AWS, for a renewal that belongs to the team of the previous agreement. Raises Conflict for a
    licence of another team.
    """
    lock_licence(licence.key)
    if licence.team_id is not None:
        if licence.team_id == team.id:
            return False
        raise Conflict("This AWS Marketplace subscription belongs to another team already.")
    lock_subscription(team)
    licence.team_id, licence.claimed_at, licence.claimed_by_id = team.id, now(), by.id if by else None
    record(
        Action.LICENCE_CLAIMED,
        by=by or AWS_MARKETPLACE,
        team=team,
        subject=team.name,
        address=client.address if client else "",
        licence=licence.public_id,
    )
    record_aws_change(team, "The subscription was bought in AWS Marketplace.")
    return True

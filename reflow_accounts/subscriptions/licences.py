"""Licences: learnt from AWS, claimed once by a team, and reported on as often as AWS has something to say."""

from datetime import datetime

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import AWS_MARKETPLACE, record
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict
from reflow_accounts.subscriptions.change_log import tell_facts
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client


def find_licence(key: str) -> Licence | None:
    """Return the licence with this `l-…` key, as it is now."""
    query = select(Licence).where(Licence.key == key)
    return db.session.scalar(query.execution_options(populate_existing=True))


def learn(
    key: str, *, product_code: str, aws_account: str, agreement_id: str | None = None, is_trial: bool = False
) -> Licence:
    """Return the licence with this `l-…` key, held until the transaction ends; one that is new is added.

    What was not known of it is filled in; nothing that was known is changed.
    """
    if find_licence(key) is None:
        try:
            with db.session.begin_nested():
                db.session.execute(
                    insert(Licence).values(key=key, product_code=product_code, aws_account=aws_account)
                )
        except IntegrityError:
            # Somebody else learnt of it in this moment.
            pass
    found = lock_licence(key)
    found.agreement_id = found.agreement_id or agreement_id
    found.is_trial = found.is_trial or is_trial
    db.session.flush()
    return found


def lock_licence(key: str) -> Licence:
    """Let nobody else change a licence that is known until the transaction ends; return it as it is now.

    Held in this order everywhere: agreement, licence, team.
    """
    db.session.execute(update(Licence).where(Licence.key == key).values(key=Licence.key))
    found = find_licence(key)
    assert found
    return found


def report(
    licence: Licence, state: LicenceState, since_at: datetime, ends_at: datetime | None, *, reason: str
) -> None:
    """Set what AWS says of a licence that is held; its team is told what that changes, with the reason.

    `since_at` is when AWS says that this state began, `ends_at` when an ending licence counts as ended.
    """
    licence.state, licence.since_at, licence.ends_at = state, since_at, ends_at
    db.session.flush()
    team = db.session.get(Team, licence.team_id) if licence.team_id else None
    if team:
        tell_facts(team, reason)


def claim(licence: Licence, team: Team, *, by: User | None, client: Client | None = None) -> bool:
    """Connect a licence to a team, once; say whether this call did: for the same team again it is harmless.

    `by` None is AWS's own word that a renewal belongs to the team of the agreement before. Raises
    Conflict for a licence of another team.
    """
    lock_licence(licence.key)
    if licence.team_id is not None:
        if licence.team_id == team.id:
            return False
        raise Conflict("This AWS Marketplace subscription belongs to another team already.")
    licence.team_id, licence.claimed_at, licence.claimed_by_id = team.id, now(), by.id if by else None
    record(
        Action.LICENCE_CLAIMED,
        by=by or AWS_MARKETPLACE,
        team=team,
        subject=team.name,
        address=client.address if client else "",
        licence=licence.public_id,
    )
    db.session.flush()
    tell_facts(team, "The subscription was bought in AWS Marketplace.")
    return True


def licences_of_agreement(agreement_id: str) -> list[Licence]:
    """List the licences that came with an agreement."""
    query = select(Licence).where(Licence.agreement_id == agreement_id).order_by(Licence.id)
    return list(db.session.scalars(query))

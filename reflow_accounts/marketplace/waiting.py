"""Purchases that AWS has not confirmed for more than an hour: listed for staff, and mailed to support once."""

from flask import current_app
from sqlalchemy import select

from reflow_accounts.config import Settings
from reflow_accounts.database import db, now
from reflow_accounts.mail.service import post
from reflow_accounts.marketplace.chains import lock_marketplace
from reflow_accounts.marketplace.models import MarketplaceEvent
from reflow_accounts.marketplace.state_machine import REPORTED
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.subscriptions.status import GOOD, LONGEST_CONFIRMATION
from reflow_accounts.teams.models import Team


def waiting_purchases() -> list[tuple[Licence, Team | None]]:
    """Return the licences that have been pending for more than an hour, oldest first, with their teams."""
    query = (
        select(Licence, Team)
        .outerjoin(Team, Team.id == Licence.team_id)
        .where(Licence.state == LicenceState.PENDING, Licence.created_at < now() - LONGEST_CONFIRMATION)
    )
    return [(licence, team) for licence, team in db.session.execute(query.order_by(Licence.id))]


def purchases_without_team() -> list[Licence]:
    """Return the live licences of buyers who have not connected them to a team, oldest first."""
    query = select(Licence).where(Licence.team_id.is_(None), Licence.state.in_(GOOD))
    return list(db.session.scalars(query.order_by(Licence.created_at, Licence.id)))


def report_waiting() -> int:
    """Mail the support address about waiting purchases, once each, and return how many are new. Commits.

    An event of our own remembers what was mailed, so that concurrent processes mail once.
    """
    if not waiting_purchases():
        return 0
    lock_marketplace()
    reported = select(MarketplaceEvent.licence_key).where(MarketplaceEvent.kind == REPORTED)
    told = set(db.session.scalars(reported))
    fresh = [(licence, team) for licence, team in waiting_purchases() if licence.key not in told]
    for licence, _ in fresh:
        facts = {"event_id": f"waiting:{licence.key}", "kind": REPORTED, "at": now()}
        db.session.add(MarketplaceEvent(**facts, licence_key=licence.key, detail={}))
    purchases = [
        {
            "licence": licence.key,
            "account": licence.aws_account or "unknown",
            "team": team.name if team else "not connected to a team",
            "since": f"{licence.created_at:%d %b %Y %H:%M} UTC",
        }
        for licence, team in fresh
    ]
    if purchases:
        settings: Settings = current_app.config["SETTINGS"]
        post("purchases_waiting", settings.support_email, purchases=purchases)
    db.session.commit()
    return len(fresh)

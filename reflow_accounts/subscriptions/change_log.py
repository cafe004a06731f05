"""Record changes of subscriptions in the history and the audit log, and mail Admins when the state changes."""

from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import AWS_MARKETPLACE, CLOCK, Actor, record
from reflow_accounts.database import db, now
from reflow_accounts.mail.service import post
from reflow_accounts.subscriptions.models import (
    ChangeKind,
    Licence,
    LicenceState,
    Override,
    State,
    Subscription,
    SubscriptionChange,
)
from reflow_accounts.subscriptions.service import SubscriptionStatus, status_of
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import addresses_of_admins, lock_team

_WHY = {
    ChangeKind.FORCED_ON: "Reflow support switched it on, {}.",
    ChangeKind.FORCED_OFF: "Reflow support switched it off, {}.",
    ChangeKind.LIFTED: "Reflow support left it to AWS Marketplace again.",
    ChangeKind.EXPIRED: "What Reflow support had set came to its end; AWS Marketplace decides again.",
    ChangeKind.AWS: "AWS Marketplace reported it.",
}


def record_aws_change(team: Team, reason: str) -> None:
    """Record the change if new AWS data changed the state; do nothing if the state is the same.

    `reason` is what AWS reported. Call it in the transaction that wrote the data, and `lock_subscription` before it
    was written: what ended earlier has its own record.
    """
    row = _subscription_of(team)
    if row.state != status_of(team).state:
        record_change(team, ChangeKind.AWS, AWS_MARKETPLACE, reason)


def record_due() -> int:
    """Record the changes due to overrides and licences that have ended, and return the number of teams.

    Commits after each team. Concurrent processes record each change once.
    """
    moment = now()
    ended_overrides = select(Override.team_id).where(
        Override.ended_at.is_(None), Override.expires_at <= moment
    )
    ended_licences = (
        select(Licence.team_id)
        .join(Subscription, Subscription.team_id == Licence.team_id)
        .where(
            Licence.state == LicenceState.ENDING,
            Licence.ends_at <= moment,
            Subscription.state == State.ACTIVE,
        )
    )
    teams = list(
        db.session.scalars(select(Team).where(or_(Team.id.in_(ended_overrides), Team.id.in_(ended_licences))))
    )
    for team in teams:
        lock_subscription(team)
        db.session.commit()
    return len(teams)


def lock_subscription(team: Team) -> SubscriptionStatus:
    """Lock the subscription until the transaction ends, record changes that are due, and return the status."""
    lock_team(team.id)
    override = db.session.scalar(
        select(Override)
        .where(Override.team_id == team.id, Override.ended_at.is_(None), Override.expires_at <= now())
        .execution_options(populate_existing=True)
    )
    if override:
        override.ended_at = override.expires_at
        db.session.flush()
        record_change(team, ChangeKind.EXPIRED, CLOCK, "The override by support came to its end.")
    else:
        record_aws_change(team, "The subscription in AWS Marketplace ended.")
    return status_of(team)


def record_change(
    team: Team,
    kind: ChangeKind,
    by: Actor,
    reason: str,
    *,
    until: datetime | None = None,
    ticket: str = "",
) -> None:
    """Add a change to the history and the audit log; mail the Admins when the state changes.

    Call it in the transaction of the change, with the team locked. `until` is the end of the change (None: no
    end), `reason` has 1 to 500 characters and is shown to staff only, `ticket` up to 80 characters.
    """
    row, state = _subscription_of(team), status_of(team).state
    db.session.add(
        SubscriptionChange(
            team_id=team.id,
            by_id=by.id,
            by_name=by.full_name,
            kind=kind,
            from_state=row.state,
            to_state=state,
            until=until,
            reason=reason,
            ticket=ticket or None,
        )
    )
    details: dict[str, Any] = {"reason": reason, "kind": kind.value}
    details |= {"until": until.isoformat()} if until else {}
    details |= {"ticket": ticket} if ticket else {}
    record(_action(kind, row.state != state, state), by=by, team=team, subject=team.name, **details)
    if row.state != state:
        row.state, row.changed_at = state, now()
        # The reason is internal and not mailed.
        why = _WHY[kind].format(f"until {until:%d %b %Y %H:%M} UTC" if until else "until further notice")
        for address in addresses_of_admins(team):
            data = {"team": team.name, "team_id": team.public_id, "state": state.value, "why": why}
            post("subscription_changed", address, **data)
    row.version += 1
    db.session.flush()


def _action(kind: ChangeKind, is_flip: bool, state: State) -> Action:
    if is_flip:
        is_on = state == State.ACTIVE
        return Action.SUBSCRIPTION_ACTIVATED if is_on else Action.SUBSCRIPTION_DEACTIVATED
    is_set = kind in (ChangeKind.FORCED_ON, ChangeKind.FORCED_OFF)
    return Action.SUBSCRIPTION_OVERRIDDEN if is_set else Action.OVERRIDE_ENDED


def _subscription_of(team: Team) -> Subscription:
    """Return the row with the recorded state of a team, creating it if needed."""
    row = db.session.get(Subscription, team.id, populate_existing=True)
    if row is None:
        row = Subscription(team_id=team.id, state=State.INACTIVE, changed_at=now(), version=0)
        db.session.add(row)
        db.session.flush()
    return row

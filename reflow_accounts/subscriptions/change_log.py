"""Tell of each change of a subscription once: in the history, the audit log, and by mail when what counts flips."""

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
from reflow_accounts.teams.service import addresses_of_admins, hold

_WHY = {
    ChangeKind.FORCED_ON: "Reflow support switched it on, {}.",
    ChangeKind.FORCED_OFF: "Reflow support switched it off, {}.",
    ChangeKind.LIFTED: "Reflow support left it to AWS Marketplace again.",
    ChangeKind.EXPIRED: "What Reflow support had set came to its end; AWS Marketplace decides again.",
    ChangeKind.AWS: "AWS Marketplace reported it.",
}


def tell_facts(team: Team, reason: str) -> None:
    """Tell what changed after AWS's facts about a team did; nothing when what counts is the same.

    `reason` says what AWS reported. Call it in the transaction that wrote the facts.
    """
    hold(team.id)
    _tell_flip(team, reason)


def tell_due() -> int:
    """Tell what the passage of time changed: overrides and licences whose end came. Return how many teams.

    Commits team by team; in several processes at once each change is told once.
    """
    at = now()
    ended = select(Override.team_id).where(Override.ended_at.is_(None), Override.expires_at <= at)
    over = (
        select(Licence.team_id)
        .join(Subscription, Subscription.team_id == Licence.team_id)
        .where(
            Licence.state == LicenceState.ENDING, Licence.ends_at <= at, Subscription.state == State.ACTIVE
        )
    )
    due = list(db.session.scalars(select(Team).where(or_(Team.id.in_(ended), Team.id.in_(over)))))
    for team in due:
        held(team)
        db.session.commit()
    return len(due)


def held(team: Team) -> SubscriptionStatus:
    """Let nobody else change the subscription until the transaction ends; tell what is due, and return it."""
    hold(team.id)
    over = db.session.scalar(
        select(Override)
        .where(Override.team_id == team.id, Override.ended_at.is_(None), Override.expires_at <= now())
        .execution_options(populate_existing=True)
    )
    if over:
        over.ended_at = over.expires_at
        db.session.flush()
        tell(team, ChangeKind.EXPIRED, CLOCK, "The override by support came to its end.")
    else:
        _tell_flip(team, "The subscription in AWS Marketplace ended.")
    return status_of(team)


def _tell_flip(team: Team, reason: str) -> None:
    """Tell what AWS's facts changed, if that changed what counts."""
    row = _told(team)
    if row.state != status_of(team).state:
        tell(team, ChangeKind.AWS, AWS_MARKETPLACE, reason)


def tell(
    team: Team,
    kind: ChangeKind,
    by: Actor,
    reason: str,
    *,
    until: datetime | None = None,
    ticket: str = "",
) -> None:
    """Write a change into the history and the audit log; when it changes what counts, mail the Admins.

    Call it in the transaction that made the change, with the team held. `until` is when the change ends (None: it
    does not), `reason` one to 500 characters that stay with staff, `ticket` up to 80 of the support desk's.
    """
    row, state = _told(team), status_of(team).state
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
        _mail(team, state, kind, until)
    row.version += 1
    db.session.flush()


def _action(kind: ChangeKind, is_flip: bool, state: State) -> Action:
    if is_flip:
        is_on = state == State.ACTIVE
        return Action.SUBSCRIPTION_ACTIVATED if is_on else Action.SUBSCRIPTION_DEACTIVATED
    is_set = kind in (ChangeKind.FORCED_ON, ChangeKind.FORCED_OFF)
    return Action.SUBSCRIPTION_OVERRIDDEN if is_set else Action.OVERRIDE_ENDED


def _mail(team: Team, state: State, kind: ChangeKind, until: datetime | None) -> None:
    """Tell the Admins of the team, each once. The reason is support's own and stays here."""
    why = _WHY[kind].format(f"until {until:%d %b %Y %H:%M} UTC" if until else "until further notice")
    for address in addresses_of_admins(team):
        words = {"team": team.name, "team_id": team.public_id, "state": state.value, "why": why}
        post("subscription_changed", address, **words)


def _told(team: Team) -> Subscription:
    """Return the row that says what was told; of a team that was never told of, a new one."""
    row = db.session.get(Subscription, team.id, populate_existing=True)
    if row is None:
        row = Subscription(team_id=team.id, state=State.INACTIVE, changed_at=now(), version=0)
        db.session.add(row)
        db.session.flush()
    return row

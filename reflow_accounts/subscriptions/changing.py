"""Change a subscription: support's overrides, AWS's facts, and the passage of time, each told once."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import or_, select

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import AWS_MARKETPLACE, CLOCK, OPERATOR, Actor, record
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import User
from reflow_accounts.mail.service import post
from reflow_accounts.subscriptions.models import (
    LONGEST_REASON,
    LONGEST_TICKET,
    ChangeKind,
    Licence,
    LicenceState,
    Override,
    State,
    Subscription,
    SubscriptionChange,
)
from reflow_accounts.subscriptions.service import Standing, standing_of
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import addresses_of_admins, hold
from reflow_accounts.web import text

_WHY = {
    ChangeKind.FORCED_ON: "Reflow support switched it on, {}.",
    ChangeKind.FORCED_OFF: "Reflow support switched it off, {}.",
    ChangeKind.LIFTED: "Reflow support left it to AWS Marketplace again.",
    ChangeKind.EXPIRED: "What Reflow support had set came to its end; AWS Marketplace decides again.",
    ChangeKind.AWS: "AWS Marketplace reported it.",
}
# How long support's word for a team that AWS does not vouch for holds, unless it says so itself.
DAYS_OF_OVERRIDE = 30
_LONGEST_OVERRIDE = timedelta(days=3660)


def set_active(
    team: Team,
    active: bool,
    reason: str,
    *,
    by: User | None,
    seen: int | None = None,
    until: datetime | None = None,
    ticket: str = "",
) -> bool:
    """Have a team's subscription count as active or inactive, whatever AWS says; say whether that changed anything.

    Inactive: an override holds it off afterwards. Active: while AWS says active for good (a licence is active, not
    merely ending) and `until` asks for no other end, any override is ended, since none is needed; else an override
    holds it on. An override that says the same already stays as it is, unless `until` asks for another end.
    To leave it to AWS again is `lift`.

    `until` is when the override ends: None is 30 days for an active one, and never for an inactive one. `reason` is
    one to 500 characters for the history, `ticket` up to 80; `by` None is an operator. `seen` is the version on
    which the decision was made: Conflict is raised when somebody else changed it since. ValidationFailed is raised
    for a missing reason or an end that is not in the future.
    """
    words, label = _reason(reason), _ticket(ticket)
    end = _end(active, until)
    standing = _hold(team, seen, by)
    if active and until is None and standing.is_active_by_aws_for_good:
        return _lift(team, standing, words, label, by)
    if _is_overridden(standing, active, until):
        return False
    _end_override(standing)
    _add_override(team, active, end, words, label, by)
    kind = ChangeKind.FORCED_ON if active else ChangeKind.FORCED_OFF
    _tell(team, kind, by or OPERATOR, words, until=end, ticket=label)
    return True


def lift(team: Team, reason: str, *, by: User | None, seen: int | None = None) -> bool:
    """End support's override, so that what AWS says counts again; say whether there was one.

    Raises as `set_active` does.
    """
    words = _reason(reason)
    return _lift(team, _hold(team, seen, by), words, "", by)


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
        _held(team)
        db.session.commit()
    return len(due)


def _hold(team: Team, seen: int | None, by: User | None) -> Standing:
    """Hold a team's subscription for a decision. Raises Conflict when it changed since `seen`.

    One's own form sent twice is no conflict.
    """
    standing = _held(team)
    if seen is not None and seen != standing.version and not _was_last_changed_by(by, team):
        raise Conflict("Somebody changed this subscription meanwhile. Check it and try again.")
    return standing


def _held(team: Team) -> Standing:
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
        _tell(team, ChangeKind.EXPIRED, CLOCK, "The override by support came to its end.")
    else:
        _tell_flip(team, "The subscription in AWS Marketplace ended.")
    return standing_of(team)


def _was_last_changed_by(user: User | None, team: Team) -> bool:
    """Say whether the newest change is this user's own."""
    newest = select(SubscriptionChange.by_id).where(SubscriptionChange.team_id == team.id)
    return user is not None and user.id == db.session.scalar(
        newest.order_by(SubscriptionChange.id.desc()).limit(1)
    )


def _is_overridden(standing: Standing, active: bool, until: datetime | None) -> bool:
    """Say whether a live override says so already, and ends when it shall; `until` None asks for no other end."""
    override = standing.override
    if override is None or override.is_active != active:
        return False
    return until is None or override.expires_at == until


def _lift(team: Team, standing: Standing, reason: str, ticket: str, by: User | None) -> bool:
    """End the live override of a team that is held; say whether there was one."""
    if standing.override is None:
        return False
    _end_override(standing)
    _tell(team, ChangeKind.LIFTED, by or OPERATOR, reason, ticket=ticket)
    return True


def _end_override(standing: Standing) -> None:
    if standing.override:
        standing.override.ended_at = now()
        db.session.flush()


def _add_override(
    team: Team, active: bool, end: datetime | None, reason: str, ticket: str, by: User | None
) -> None:
    db.session.add(
        Override(
            team_id=team.id,
            is_active=active,
            expires_at=end,
            by_id=by.id if by else None,
            by_name=by.full_name if by else OPERATOR.full_name,
            reason=reason,
            ticket=ticket,
        )
    )
    db.session.flush()


def _tell_flip(team: Team, reason: str) -> None:
    """Tell what AWS's facts changed, if that changed what counts."""
    row = _told(team)
    if row.state != standing_of(team).state:
        _tell(team, ChangeKind.AWS, AWS_MARKETPLACE, reason)


def _tell(
    team: Team,
    kind: ChangeKind,
    by: Actor,
    reason: str,
    *,
    until: datetime | None = None,
    ticket: str = "",
) -> None:
    """Write a change into the history and the audit log; when it changes what counts, mail the Admins."""
    row, state = _told(team), standing_of(team).state
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


def _end(active: bool, until: datetime | None) -> datetime | None:
    """Return when an override ends. Raises ValidationFailed for an end that is past or too far away."""
    at = now()
    if until is None:
        return at + timedelta(days=DAYS_OF_OVERRIDE) if active else None
    if until <= at:
        raise ValidationFailed(until="Choose a day in the future")
    if until - at > _LONGEST_OVERRIDE:
        raise ValidationFailed(until="Choose a day within ten years")
    return until


def _reason(value: str) -> str:
    reason = text.tidy(value)
    fault = text.fault_of(reason, LONGEST_REASON, empty="Enter a reason")
    if fault:
        raise ValidationFailed(reason=fault)
    return reason


def _ticket(value: str) -> str:
    ticket = text.tidy(value)
    fault = text.fault_of(ticket, LONGEST_TICKET, empty="") if ticket else None
    if fault:
        raise ValidationFailed(ticket=fault)
    return ticket

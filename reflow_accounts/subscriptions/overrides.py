"""Decide about a subscription: support's overrides, which count above what AWS says."""

from datetime import datetime, timedelta

from sqlalchemy import select

from reflow_accounts.audit.service import OPERATOR
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.subscriptions.change_log import held, tell
from reflow_accounts.subscriptions.models import (
    LONGEST_REASON,
    LONGEST_TICKET,
    ChangeKind,
    Override,
    SubscriptionChange,
)
from reflow_accounts.subscriptions.service import SubscriptionStatus
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from reflow_accounts.web import text

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
    tell(team, kind, by or OPERATOR, words, until=end, ticket=label)
    return True


def lift(team: Team, reason: str, *, by: User | None, seen: int | None = None) -> bool:
    """End support's override, so that what AWS says counts again; say whether there was one.

    Raises as `set_active` does.
    """
    words = _reason(reason)
    return _lift(team, _hold(team, seen, by), words, "", by)


def _hold(team: Team, seen: int | None, by: User | None) -> SubscriptionStatus:
    """Hold a team's subscription for a decision. Raises Conflict when it changed since `seen`.

    One's own form sent twice is no conflict.
    """
    standing = held(team)
    if seen is not None and seen != standing.version and not _was_last_changed_by(by, team):
        raise Conflict("Somebody changed this subscription meanwhile. Check it and try again.")
    return standing


def _was_last_changed_by(user: User | None, team: Team) -> bool:
    """Say whether the newest change is this user's own."""
    newest = select(SubscriptionChange.by_id).where(SubscriptionChange.team_id == team.id)
    return user is not None and user.id == db.session.scalar(
        newest.order_by(SubscriptionChange.id.desc()).limit(1)
    )


def _is_overridden(standing: SubscriptionStatus, active: bool, until: datetime | None) -> bool:
    """Say whether a live override says so already, and ends when it shall; `until` None asks for no other end."""
    override = standing.override
    if override is None or override.is_active != active:
        return False
    return until is None or override.expires_at == until


def _lift(team: Team, standing: SubscriptionStatus, reason: str, ticket: str, by: User | None) -> bool:
    """End the live override of a team that is held; say whether there was one."""
    if standing.override is None:
        return False
    _end_override(standing)
    tell(team, ChangeKind.LIFTED, by or OPERATOR, reason, ticket=ticket)
    return True


def _end_override(standing: SubscriptionStatus) -> None:
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

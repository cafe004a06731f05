"""Overrides of subscriptions by support, which take precedence over AWS."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import select

from reflow_accounts.audit.service import OPERATOR
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.subscriptions.change_log import lock_subscription, record_change
from reflow_accounts.subscriptions.models import (
    LONGEST_TICKET,
    ChangeKind,
    Override,
    SubscriptionChange,
)
from reflow_accounts.subscriptions.service import SubscriptionStatus
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from reflow_accounts.web import text

# Default duration of an activating override.
DAYS_OF_OVERRIDE = 30
_LONGEST_OVERRIDE = timedelta(days=3660)


def set_active(
    team: Team,
    active: bool,
    reason: str,
    *,
    by: User | None,
    version: int | None = None,
    until: datetime | None = None,
    ticket: str = "",
) -> bool:
    """Override a team's subscription as active or inactive, and return whether anything changed.

    Deactivation adds an override. Activation adds one too, unless AWS reports a licence as active without an
    end and `until` is None: then any override is ended, since none is needed. An override with the same state
    stays, unless `until` differs: an active one also without `until`. `lift` ends an override.

    `until` is the end of the override: None means 30 days for an active one and no end for an inactive one.
    `reason` has 1 to 500 characters, `ticket` up to 80; `by` None is an operator. `version` is the version that
    the caller has seen. Raises Conflict if the subscription was changed otherwise since, and ValidationFailed
    for a missing reason or an end that is not in the future.
    """
    reason, label = text.checked_reason(reason), _ticket(ticket)
    end = _end(active, until)
    status = _lock(team, version, by, lambda status: _is_set(status, active, until))
    if _is_set(status, active, until):
        return False
    if active and until is None and status.is_active_by_aws_for_good:
        return _lift(team, status, reason, label, by)
    _end_override(status)
    # Another end does not change when support set the state.
    at = status.override.at if status.override and status.is_forced(active) else now()
    _add_override(team, active, at, end, reason, label, by)
    kind = ChangeKind.FORCED_ON if active else ChangeKind.FORCED_OFF
    record_change(team, kind, by or OPERATOR, reason, until=end, ticket=label)
    return True


def lift(team: Team, reason: str, *, by: User | None, version: int | None = None) -> bool:
    """End the override, so that AWS decides again, and return whether there was one.

    Raises Conflict and ValidationFailed as `set_active` does.
    """
    reason = text.checked_reason(reason)
    return _lift(team, _lock(team, version, by, lambda status: status.override is None), reason, "", by)


def _is_set(status: SubscriptionStatus, active: bool, until: datetime | None) -> bool:
    """Return whether the subscription is as `set_active` with these arguments would leave it."""
    override = status.override
    if active and until is None and status.is_active_by_aws_for_good:
        return override is None
    is_default = active and until is None
    return bool(override and override.is_active == active and (is_default or override.expires_at == until))


def _lock(
    team: Team, version: int | None, by: User | None, is_done: Callable[[SubscriptionStatus], bool]
) -> SubscriptionStatus:
    """Lock a team's subscription.

    Raises Conflict when it was changed since `version`, unless the same user sent the change twice: then the
    status `is_done`.
    """
    status = lock_subscription(team)
    if version is not None and version != status.version:
        changes = select(SubscriptionChange.by_id).where(SubscriptionChange.team_id == team.id)
        last_by_id = db.session.scalar(changes.order_by(SubscriptionChange.id.desc()).limit(1))
        if by is None or by.id != last_by_id or not is_done(status):
            raise Conflict("This subscription was changed in the meantime. Check it and try again.")
    return status


def _lift(team: Team, status: SubscriptionStatus, reason: str, ticket: str, by: User | None) -> bool:
    """End the live override of a locked team, and return whether there was one."""
    if status.override is None:
        return False
    _end_override(status)
    record_change(team, ChangeKind.LIFTED, by or OPERATOR, reason, ticket=ticket)
    return True


def _end_override(status: SubscriptionStatus) -> None:
    if status.override:
        status.override.ended_at = now()
        db.session.flush()


def _add_override(
    team: Team, active: bool, at: datetime, end: datetime | None, reason: str, ticket: str, by: User | None
) -> None:
    db.session.add(
        Override(
            team_id=team.id,
            is_active=active,
            at=at,
            expires_at=end,
            by_id=by.id if by else None,
            by_name=by.full_name if by else OPERATOR.full_name,
            reason=reason,
            ticket=ticket,
        )
    )
    db.session.flush()


def _end(active: bool, until: datetime | None) -> datetime | None:
    """Return the end of an override. Raises ValidationFailed for an end in the past or too far in the future."""
    moment = now()
    if until is None:
        return moment + timedelta(days=DAYS_OF_OVERRIDE) if active else None
    if until <= moment:
        raise ValidationFailed(until="Choose a day in the future")
    if until - moment > _LONGEST_OVERRIDE:
        raise ValidationFailed(until="Choose a day within ten years")
    return until


def _ticket(value: str) -> str:
    ticket = text.tidy(value)
    fault = text.fault_of(ticket, LONGEST_TICKET, empty="") if ticket else None
    if fault:
        raise ValidationFailed(ticket=fault)
    return ticket

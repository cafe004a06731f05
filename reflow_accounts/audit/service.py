"""Record events in the audit log, log them after commit, and list the events of an account."""

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, and_, event, func, or_, select, union
from sqlalchemy.orm import Session, SessionTransaction

from reflow_accounts.audit.actions import OF_EVERY_MEMBER, OF_STAFF, Action, EventGroup
from reflow_accounts.audit.models import EVENT_ID_PREFIX, AuditEvent
from reflow_accounts.database import db, require_row
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User
from reflow_accounts.web import request_logging
from reflow_accounts.web.pagination import NO_SUCH_ENTRY, Position, newer_than, older_than, read_entry_id
from reflow_accounts.web.request_info import form_nonce

# Number of newest events that `events_of_form` searches.
_NEWEST = 10_000
# Maximum groups of teams in the statement that lists events. Teams without Admin rights have four parts each; SQLite
# takes 500 parts.
_MOST_PARTS = 80
_PENDING = "events to log"
# Details with ids, counts and constants. The others contain user input and are not logged.
_LOGGED_DETAILS = ("key", "passkey", "session", "count", "left", "kind", "factors")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _OtherActor:
    """An actor that is not a user."""

    full_name: str
    id: None = None
    public_id: None = None


Actor = User | _OtherActor
OPERATOR = _OtherActor("Operator")
# Not authenticated.
SOMEBODY = _OtherActor("Somebody")
AWS_MARKETPLACE = _OtherActor("AWS Marketplace")
# Actor of scheduled changes.
CLOCK = _OtherActor("Reflow")


def record(
    action: Action,
    *,
    by: Actor | None,
    account: Actor | None = None,
    team: Team | None = None,
    subject: str = "",
    address: str = "",
    **details: Any,
) -> None:
    """Add an event to the database and flush the session; the caller commits it together with the change.

    `by` None is an operator on the command line. `account` and `team` are the user and the team whose
    Activity shows the event. `details` are plain values for support and programs, never secrets. Events of
    requests are also logged after the commit.
    """
    nonce = form_nonce()
    if nonce:
        details = {**details, "form": nonce}
    db.session.add(
        AuditEvent(
            action=action,
            actor_id=by.id if by else None,
            actor_name=(by or OPERATOR).full_name,
            account_id=account.id if account else None,
            team_id=team.id if team else None,
            subject=subject[:255],
            address=address,
            details={"team": team.public_id, **details} if team else details,
        )
    )
    db.session.flush()
    # Logged after the commit, without names and addresses. Operator commands print their own results.
    if request_logging.is_in_request():
        people = {"by": by, "account": account, "team": team}
        ids = {name: actor.public_id for name, actor in people.items() if actor}
        logged_details = {name: details[name] for name in _LOGGED_DETAILS if name in details}
        db.session().info.setdefault(_PENDING, []).append((action, {**ids, **logged_details}))


def events_of(
    account_id: int,
    team_ids: Collection[int],
    *,
    member_team_ids: Collection[int] = (),
    limit: int,
    before: Position | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    key_id: str | None = None,
    group: EventGroup | None = None,
    after: Position | None = None,
) -> list[AuditEvent]:
    """Return up to `limit` events of a user and of their teams, newest first.

    Of the teams in `team_ids` (the user is Admin) it returns all events, of `member_team_ids` only events for all
    members and the user's own. `before` continues a list, `since` (inclusive) and `until` (exclusive) limit the
    period, `key_id` (public) selects the events of one API key, `group` those of a group, `after` newer events.
    """
    conditions: list[ColumnElement[bool]] = [AuditEvent.action.not_in(OF_STAFF)]
    if before:
        conditions.append(older_than(AuditEvent.at, AuditEvent.id, before))
    if after:
        conditions.append(newer_than(AuditEvent.at, AuditEvent.id, after))
    if since:
        conditions.append(AuditEvent.at >= since)
    if until:
        conditions.append(AuditEvent.at < until)
    if key_id:
        conditions.append(AuditEvent.details["key"].as_string() == key_id)
    if group:
        conditions.append(AuditEvent.action.in_([action for action in Action if action.group == group]))
    newest_first = (AuditEvent.at.desc(), AuditEvent.id.desc())
    # Each part is a range of an index in this order, of which the database reads the beginning. For one query with OR
    # it would read and sort all their events.
    parts = [
        select(select(AuditEvent.id).where(part, *conditions).order_by(*newest_first).limit(limit).subquery())
        for part in _visible_conditions(account_id, team_ids, member_team_ids)
    ]
    query = select(AuditEvent).where(AuditEvent.id.in_(union(*parts)))
    return list(db.session.scalars(query.order_by(*newest_first).limit(limit)))


def position_of_event(
    event_id: str, account_id: int, team_ids: Collection[int], *, member_team_ids: Collection[int] = ()
) -> Position:
    """Return the position of an event in the list of `events_of`, by its public id.

    Raises NotFound for any other id.
    """
    number = read_entry_id(event_id, EVENT_ID_PREFIX)
    conditions = (
        or_(*_visible_conditions(account_id, team_ids, member_team_ids)),
        AuditEvent.action.not_in(OF_STAFF),
    )
    query = select(AuditEvent.at).where(AuditEvent.id == number, *conditions)
    return Position(require_row(query, NO_SUCH_ENTRY), number)


def events_of_form(nonce: str, *, by: Actor) -> list[AuditEvent]:
    """Return the events of this user that a form with this nonce caused, except step-ups.

    Searches only the newest events: a page asks within minutes, when the response to its form did not arrive.
    """
    newest = db.session.scalar(select(func.max(AuditEvent.id))) or 0
    query = select(AuditEvent).where(
        AuditEvent.id > newest - _NEWEST,
        AuditEvent.actor_id == by.id,
        AuditEvent.action.not_in((Action.CONFIRMED, Action.CONFIRMATION_REFUSED)),
        AuditEvent.details["form"].as_string() == nonce,
    )
    return list(db.session.scalars(query.order_by(AuditEvent.id)))


def _visible_conditions(
    account_id: int, team_ids: Collection[int], member_team_ids: Collection[int]
) -> list[ColumnElement[bool]]:
    """Return the conditions of the account, of each team, and of each team without Admin rights."""
    for_member = [
        AuditEvent.actor_id == account_id,
        *(AuditEvent.action == action for action in sorted(OF_EVERY_MEMBER)),
    ]
    return [
        AuditEvent.account_id == account_id,
        *_team_conditions(team_ids),
        *(and_(part, kind) for part in _team_conditions(member_team_ids) for kind in for_member),
    ]


def _team_conditions(team_ids: Collection[int]) -> list[ColumnElement[bool]]:
    """Return a condition for each team; for very many teams, for each group of them."""
    size, numbers = ceil(len(team_ids) / _MOST_PARTS) or 1, sorted(team_ids)
    return [AuditEvent.team_id.in_(numbers[first : first + size]) for first in range(0, len(numbers), size)]


@event.listens_for(db.session, "after_commit")
def _log_pending(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for action, facts in session.info.pop(_PENDING, ()):
        _logger.info(action.value, extra=request_logging.facts(**facts))


@event.listens_for(db.session, "after_soft_rollback")
def _drop_pending(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_PENDING, None)

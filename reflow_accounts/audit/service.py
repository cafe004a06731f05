"""Write an act down in the transaction that does it, and read the acts of an account."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, or_, select

from reflow_accounts.audit import trail
from reflow_accounts.audit.actions import OF_EVERY_MEMBER, OF_STAFF, Action
from reflow_accounts.audit.models import EVENT_ID_PREFIX, AuditEvent
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.web.pagination import NO_SUCH_ENTRY, Position, newer_than, older_than, read_entry_id


class Actor(Protocol):
    """Who acts: a user, or somebody of whom nothing is known."""

    @property
    def id(self) -> int | None: ...
    @property
    def public_id(self) -> str | None: ...
    @property
    def full_name(self) -> str: ...


class Team(Protocol):
    """A team, of a package above."""

    @property
    def id(self) -> int: ...
    @property
    def public_id(self) -> str: ...


@dataclass(frozen=True)
class _Nobody:
    """An actor who is none of the users."""

    full_name: str
    id: None = None
    public_id: None = None


OPERATOR = _Nobody("Operator")
# Who has not proved to be anybody.
SOMEBODY = _Nobody("Somebody")
AWS_MARKETPLACE = _Nobody("AWS Marketplace")
# What happens because its time has come.
CLOCK = _Nobody("Reflow")


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
    """Add one act to the session; the caller's commit makes it and the act itself true together.

    `by` None is an operator at the server's own terminal. `account` is the user, `team` the team
    whose Activity shows the act. `details` are plain values for support and programs, never secrets.
    Once committed, an act of a request is a line of the log too.
    """
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
    people = {"by": by, "account": account, "team": team}
    trail.follow(action, {name: who.public_id for name, who in people.items() if who}, details)


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
    after: Position | None = None,
) -> list[AuditEvent]:
    """List up to `limit` acts of a user and of their teams, newest first.

    Of `team_ids`, whose Admin the user is, every act is listed; of `member_team_ids` those that concern
    every member, and those that the user did.
    `before` continues a list, `since` (inclusive) and `until` (exclusive) bound it, `key_id` (public)
    keeps only what was done to one API key, `after` what is newer than that position.
    """
    query = select(AuditEvent).where(*_visible(account_id, team_ids, member_team_ids))
    if before:
        query = query.where(older_than(AuditEvent.at, AuditEvent.id, before))
    if after:
        query = query.where(newer_than(AuditEvent.at, AuditEvent.id, after))
    if since:
        query = query.where(AuditEvent.at >= since)
    if until:
        query = query.where(AuditEvent.at < until)
    if key_id:
        query = query.where(AuditEvent.details["key"].as_string() == key_id)
    query = query.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit)
    return list(db.session.scalars(query))


def position_of_event(
    event_id: str, account_id: int, team_ids: Collection[int], *, member_team_ids: Collection[int] = ()
) -> Position:
    """Return the position of an act in the list of `events_of`, by its public id.

    Raises ValidationFailed for any other id.
    """
    number = read_entry_id(event_id, EVENT_ID_PREFIX)
    visible = _visible(account_id, team_ids, member_team_ids)
    at = db.session.scalar(select(AuditEvent.at).where(AuditEvent.id == number, *visible))
    if at is None:
        raise ValidationFailed(after=NO_SUCH_ENTRY)
    return Position(at, number)


def _visible(
    account_id: int, team_ids: Collection[int], member_team_ids: Collection[int]
) -> tuple[ColumnElement[bool], ...]:
    return (
        or_(
            AuditEvent.account_id == account_id,
            AuditEvent.team_id.in_(team_ids),
            and_(
                AuditEvent.team_id.in_(member_team_ids),
                or_(AuditEvent.action.in_(OF_EVERY_MEMBER), AuditEvent.actor_id == account_id),
            ),
        ),
        AuditEvent.action.not_in(OF_STAFF),
    )

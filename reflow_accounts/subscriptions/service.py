"""Say whether a team's or a user's subscription is active, and change it with a reason."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import OPERATOR_NAME, record
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.extensions import db, now
from reflow_accounts.identity.models import User
from reflow_accounts.subscriptions.models import (
    LONGEST_REASON,
    State,
    Subscription,
    SubscriptionChange,
)
from reflow_accounts.teams.models import Membership, Team
from reflow_accounts.web import text


@dataclass(frozen=True)
class Standing:
    """A team's subscription as it stands. `version` is 0 before the first change."""

    state: State = State.INACTIVE
    changed_at: datetime | None = None
    version: int = 0

    @property
    def is_active(self) -> bool:
        return self.state == State.ACTIVE


def standings_of(team_ids: Collection[int]) -> dict[int, Standing]:
    """Return the standing of each team, by the team's number."""
    rows = db.session.scalars(select(Subscription).where(Subscription.team_id.in_(team_ids)))
    known = {row.team_id: Standing(State(row.state), row.changed_at, row.version) for row in rows}
    return {team_id: known.get(team_id, Standing()) for team_id in team_ids}


def standing_of(team: Team) -> Standing:
    """Return the standing of one team."""
    return standings_of([team.id])[team.id]


def has_active_subscription(user: User) -> bool:
    """Say whether any team of the user has an active subscription: the gate in front of API keys."""
    active = exists().where(
        Membership.user_id == user.id,
        Subscription.team_id == Membership.team_id,
        Subscription.state == State.ACTIVE,
    )
    return bool(db.session.scalar(select(active)))


def changes_of(team: Team) -> list[SubscriptionChange]:
    """List every change of a team's subscription, newest first."""
    query = select(SubscriptionChange).where(SubscriptionChange.team_id == team.id)
    return list(db.session.scalars(query.order_by(SubscriptionChange.id.desc())))


def set_active(team: Team, active: bool, reason: str, *, by: User | None, seen: int | None = None) -> bool:
    """Make a team's subscription active or inactive; say whether that changed anything.

    `reason` is one to 500 characters for the history; `by` None is an operator. `seen` is the version
    on which the decision was made: Conflict is raised when somebody else changed it since. ValidationFailed
    is raised for a missing reason.
    """
    words = _reason(reason)
    wanted = State.ACTIVE if active else State.INACTIVE
    standing = standing_of(team)
    has_changed = seen is not None and seen != standing.version and not _was_last_changed_by(by, team)
    if standing.state == wanted and not has_changed:
        return False
    if has_changed or not _advance(team, standing, wanted):
        raise Conflict("Somebody changed this subscription meanwhile. Check it and try again.")
    _write_down(team, standing, wanted, words, by)
    return True


def _was_last_changed_by(user: User | None, team: Team) -> bool:
    """Say whether the newest change is this user's own: their form sent twice is no conflict."""
    newest = select(SubscriptionChange.by_id).where(SubscriptionChange.team_id == team.id)
    return user is not None and user.id == db.session.scalar(
        newest.order_by(SubscriptionChange.id.desc()).limit(1)
    )


def _advance(team: Team, standing: Standing, wanted: State) -> bool:
    """Put the wanted state in place of exactly `standing`: the database lets one of two writers win."""
    values = {"state": wanted, "changed_at": now(), "version": standing.version + 1}
    if standing.version:
        same = (Subscription.team_id == team.id, Subscription.version == standing.version)
        result = db.session.execute(update(Subscription).where(*same).values(values))
        return bool(result.rowcount)  # type: ignore[attr-defined]  # an UPDATE has one
    try:
        with db.session.begin_nested():
            db.session.execute(insert(Subscription).values(team_id=team.id, **values))
    except IntegrityError:
        return False
    return True


def _write_down(team: Team, standing: Standing, wanted: State, reason: str, by: User | None) -> None:
    db.session.add(
        SubscriptionChange(
            team_id=team.id,
            by_id=by.id if by else None,
            by_name=by.full_name if by else OPERATOR_NAME,
            from_state=standing.state,
            to_state=wanted,
            reason=reason,
        )
    )
    action = Action.SUBSCRIPTION_ACTIVATED if wanted == State.ACTIVE else Action.SUBSCRIPTION_DEACTIVATED
    record(action, by=by, team=team, subject=team.name, reason=reason)
    db.session.flush()


def _reason(value: str) -> str:
    reason = text.tidy(value)
    fault = text.fault_of(reason, LONGEST_REASON, empty="Enter a reason")
    if fault:
        raise ValidationFailed(reason=fault)
    return reason

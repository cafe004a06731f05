"""Say whether a team's or a user's subscription is active, and why."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, bindparam, select, text

from reflow_accounts.database import UTCDateTime, db, now
from reflow_accounts.subscriptions.models import (
    Licence,
    LicenceState,
    Override,
    State,
    Subscription,
    SubscriptionChange,
)
from reflow_accounts.subscriptions.status import JOIN_OVERRIDE, STATE, current_state, effective_state, is_live
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User

Row = TypeVar("Row", Licence, Override, Subscription)

_OF_USER = text(
    f"""
    SELECT 1 FROM memberships m {JOIN_OVERRIDE.format("m.team_id")}
    WHERE m.user_id = :user_id AND {STATE.format("m.team_id", ":at")} = 'active' LIMIT 1
    """  # noqa: S608  # made of constants
).bindparams(bindparam("at", type_=UTCDateTime))


@dataclass(frozen=True)
class SubscriptionStatus:
    """A team's subscription as it stands: what counts, and the two layers that it comes from.

    `override` is the one that holds, if any; `licences` are AWS's facts, newest first. `changed_at` is
    when what counts last changed, `version` counts the changes and is 0 before the first.
    """

    state: State = State.INACTIVE
    changed_at: datetime | None = None
    version: int = 0
    override: Override | None = None
    licences: tuple[Licence, ...] = ()
    at: datetime | None = None

    @property
    def is_active(self) -> bool:
        return self.state == State.ACTIVE

    @property
    def licence(self) -> Licence | None:
        """The licence that speaks for the team: the best one, and of equals the newest."""
        return max(self.licences, key=lambda licence: _BEST.index(self.state_of(licence)), default=None)

    @property
    def licence_state(self) -> LicenceState | None:
        """What AWS says of the team; None when it never bought anything."""
        return self.state_of(self.licence) if self.licence else None

    @property
    def is_active_by_aws(self) -> bool:
        """Whether the subscription would be active without support's override."""
        return effective_state(None, self.licences, self.at or now()) == State.ACTIVE

    @property
    def is_active_by_aws_for_good(self) -> bool:
        """Whether AWS says active and nothing of an end: then it needs no override to stay so."""
        return self.licence_state == LicenceState.ACTIVE

    @property
    def is_forced_on(self) -> bool:
        """Whether support's override holds it on."""
        return self.override is not None and self.override.is_active

    @property
    def is_contradicted(self) -> bool:
        """Whether support's override says something else than AWS."""
        return self.override is not None and self.is_active != self.is_active_by_aws

    def state_of(self, licence: Licence) -> LicenceState:
        """Return the state of one of the licences."""
        return current_state(licence, self.at or now())


# From the worst to the best.
_BEST = (LicenceState.ENDED, LicenceState.PENDING, LicenceState.ENDING, LicenceState.ACTIVE)


def statuses_of(team_ids: Collection[int], *, at: datetime | None = None) -> dict[int, SubscriptionStatus]:
    """Return the standing of each team, by the team's number, now or at another moment."""
    moment = at or now()
    told = {
        row.team_id: row for row in _fresh(select(Subscription).where(Subscription.team_id.in_(team_ids)))
    }
    unended = select(Override).where(Override.team_id.in_(team_ids), Override.ended_at.is_(None))
    overrides = {row.team_id: row for row in _fresh(unended) if is_live(row, moment)}
    licences: dict[int | None, list[Licence]] = defaultdict(list)
    bought = select(Licence).where(Licence.team_id.in_(team_ids)).order_by(Licence.id.desc())
    for licence in _fresh(bought):
        licences[licence.team_id].append(licence)
    return {
        team_id: _status(told.get(team_id), overrides.get(team_id), licences[team_id], moment)
        for team_id in team_ids
    }


def status_of(team: Team, *, at: datetime | None = None) -> SubscriptionStatus:
    """Return the standing of one team, now or at another moment."""
    return statuses_of([team.id], at=at)[team.id]


def has_active_subscription(user: User) -> bool:
    """Say whether any team of the user has an active subscription: the gate in front of API keys."""
    return db.session.execute(_OF_USER, {"user_id": user.id, "at": now()}).first() is not None


def changes_of(team: Team) -> list[SubscriptionChange]:
    """List every change of a team's subscription, newest first."""
    query = select(SubscriptionChange).where(SubscriptionChange.team_id == team.id)
    return list(db.session.scalars(query.order_by(SubscriptionChange.id.desc())))


def _fresh(query: Select[Row]) -> Sequence[Row]:
    """Return rows as they are now, also those that the session read before somebody else was waited for."""
    return db.session.scalars(query.execution_options(populate_existing=True)).all()


def _status(
    told: Subscription | None, override: Override | None, licences: Sequence[Licence], at: datetime
) -> SubscriptionStatus:
    return SubscriptionStatus(
        effective_state(override, licences, at),
        told.changed_at if told else None,
        told.version if told else 0,
        override,
        tuple(licences),
        at,
    )

"""Subscription status of teams and users."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import BigInteger, String, bindparam, column, select, text
from sqlalchemy.sql.selectable import TextualSelect

from reflow_accounts.database import UTCDateTime, db, is_any_of, now, reload_rows
from reflow_accounts.subscriptions.models import (
    Licence,
    LicenceState,
    Override,
    State,
    Subscription,
    SubscriptionChange,
)
from reflow_accounts.subscriptions.status import (
    IS_ACTIVE_BY_AWS,
    IS_OVERRIDDEN,
    JOIN_OVERRIDE,
    LONGEST_CONFIRMATION,
    STATE,
    current_state,
    effective_state,
    end_of,
    is_live,
)
from reflow_accounts.teams.models import Team
from reflow_accounts.users.models import User

_ACTIVE_TEAM_OF_USER = text(
    f"""
    SELECT 1 FROM memberships m {JOIN_OVERRIDE.format("m.team_id")}
    WHERE m.user_id = :user_id AND {STATE.format("m.team_id", ":at")} = 'active' LIMIT 1
    """  # noqa: S608  # constants only
).bindparams(bindparam("at", type_=UTCDateTime))

_DEPENDENT_USERS = text(
    f"""
    SELECT mine.user_id FROM memberships mine WHERE mine.team_id = :team_id AND NOT EXISTS (
        SELECT 1 FROM memberships m {JOIN_OVERRIDE.format("m.team_id")}
        WHERE m.user_id = mine.user_id AND m.team_id <> :team_id
        AND {STATE.format("m.team_id", ":at")} = 'active'
    )
    """  # noqa: S608  # constants only
).bindparams(bindparam("at", type_=UTCDateTime))
_TEAMS_OF_STATE = text(
    f"""
    SELECT t.id FROM teams t {JOIN_OVERRIDE.format("t.id")} WHERE {STATE.format("t.id", ":at")} = :state
    """  # noqa: S608  # constants only
)
# As `is_contradicted` and `is_waiting`: a pending licence is the best one unless another is good.
_ATTENTION = text(
    f"""
    SELECT t.id AS team_id, CASE
        WHEN {IS_OVERRIDDEN.format("t.id", ":at")} AND live.is_active <> {IS_ACTIVE_BY_AWS.format("t.id", ":at")}
            THEN 'contradicted'
        WHEN {IS_OVERRIDDEN.format("t.id", ":at")} AND live.expires_at <= :soon THEN 'ending'
        WHEN NOT {IS_ACTIVE_BY_AWS.format("t.id", ":at")} AND :latest > (
            SELECT pending.created_at FROM licences pending
            WHERE pending.team_id = t.id AND pending.state = 'pending' ORDER BY pending.id DESC LIMIT 1
        ) THEN 'waiting'
    END AS reason
    FROM teams t {JOIN_OVERRIDE.format("t.id")}
    WHERE live.id IS NOT NULL OR t.id IN (SELECT team_id FROM licences WHERE state = 'pending')
    """  # noqa: S608  # constants only
)


class Attention(StrEnum):
    """Why staff should check a team: `is_contradicted`, an override that ends soon, or `is_waiting`."""

    CONTRADICTED = "contradicted"
    ENDING = "ending"
    WAITING = "waiting"


@dataclass(frozen=True)
class SubscriptionStatus:
    """Subscription of a team: its state, and the override and licences that determine it.

    `override` is the live one, if any; `licences` are newest first. `changed_at` is the last change of the
    state, `version` the number of changes, `at` the time of this state. `is_recorded` is False after an end that is
    not recorded yet.
    """

    state: State
    changed_at: datetime | None
    version: int
    override: Override | None
    licences: tuple[Licence, ...]
    at: datetime
    is_recorded: bool = True

    @property
    def is_active(self) -> bool:
        return self.state == State.ACTIVE

    @property
    def licence(self) -> Licence | None:
        """The licence with the best state: the newest, or the last to end of those that end or have ended."""
        return max(self.licences, key=self._rank_of, default=None)

    @property
    def licence_state(self) -> LicenceState | None:
        """The state of the best licence; None without a licence."""
        return self.state_of(self.licence) if self.licence else None

    @property
    def is_active_by_aws(self) -> bool:
        """Whether the subscription would be active without the override."""
        return effective_state(None, self.licences, self.at) == State.ACTIVE

    @property
    def is_active_by_aws_for_good(self) -> bool:
        """Whether AWS reports an active licence without an end, so that no override is needed."""
        return self.licence_state == LicenceState.ACTIVE

    def is_forced(self, active: bool) -> bool:
        """Return whether an override makes the subscription active or inactive."""
        return self.override is not None and self.override.is_active == active

    @property
    def is_kept(self) -> bool:
        """Whether the override keeps the state that the subscription had before."""
        return bool(self.override and self.changed_at and self.changed_at < self.override.at)

    @property
    def is_contradicted(self) -> bool:
        """Whether the state differs from the one without the override."""
        return self.override is not None and self.is_active != self.is_active_by_aws

    @property
    def is_waiting(self) -> bool:
        """Whether AWS should have confirmed the purchase by now."""
        licence, latest = self.licence, self.at - LONGEST_CONFIRMATION
        return licence is not None and licence.state == LicenceState.PENDING and licence.created_at < latest

    def state_of(self, licence: Licence) -> LicenceState:
        """Return the state of one of the licences."""
        return current_state(licence, self.at)

    def _rank_of(self, licence: Licence) -> tuple[int, datetime]:
        state = self.state_of(licence)
        # `licences` are newest first, and `max` returns the first of equal ones.
        return _BEST.index(state), end_of(licence) if state in _WITH_END else self.at


# From the worst to the best.
_BEST = (LicenceState.ENDED, LicenceState.PENDING, LicenceState.ENDING, LicenceState.ACTIVE)
_WITH_END = frozenset({LicenceState.ENDING, LicenceState.ENDED})


def statuses_of(team_ids: Collection[int]) -> dict[int, SubscriptionStatus]:
    """Return the status of each team by its row id."""
    moment = now()
    subscriptions = {
        row.team_id: row
        for row in reload_rows(select(Subscription).where(is_any_of(Subscription.team_id, team_ids)))
    }
    override_query = select(Override).where(
        is_any_of(Override.team_id, team_ids), Override.ended_at.is_(None)
    )
    overrides = {row.team_id: row for row in reload_rows(override_query) if is_live(row, moment)}
    licences: dict[int | None, list[Licence]] = defaultdict(list)
    licence_query = select(Licence).where(is_any_of(Licence.team_id, team_ids)).order_by(Licence.id.desc())
    for licence in reload_rows(licence_query):
        licences[licence.team_id].append(licence)
    return {
        team_id: _status(subscriptions.get(team_id), overrides.get(team_id), licences[team_id], moment)
        for team_id in team_ids
    }


def status_of(team: Team) -> SubscriptionStatus:
    """Return the status of one team."""
    return statuses_of([team.id])[team.id]


def has_active_subscription(user: User) -> bool:
    """Return whether any team of the user has an active subscription, which API keys require."""
    return db.session.execute(_ACTIVE_TEAM_OF_USER, {"user_id": user.id, "at": now()}).first() is not None


def ids_of_teams(state: State) -> TextualSelect:
    """Return a query for the row ids of all teams whose subscription has this state."""
    query = _TEAMS_OF_STATE.bindparams(bindparam("state", state.value), bindparam("at", now(), UTCDateTime))
    return query.columns(column("id", BigInteger))


def teams_and_attention(within: timedelta) -> TextualSelect:
    """Return a query for the `team_id` and the `reason` (an `Attention`, or NULL) of teams that may need attention.

    A team without a row needs none. An override needs attention if it ends `within` this time.
    """
    moment = now()
    times = {"at": moment, "soon": moment + within, "latest": moment - LONGEST_CONFIRMATION}
    values = (bindparam(name, at, UTCDateTime) for name, at in times.items())
    return _ATTENTION.bindparams(*values).columns(column("team_id", BigInteger), column("reason", String))


def users_who_depend_on(team: Team) -> set[int]:
    """Return the row ids of the members who have no other team with an active subscription."""
    return set(db.session.scalars(_DEPENDENT_USERS, {"team_id": team.id, "at": now()}))


def end_of_activation(team: Team, status: SubscriptionStatus) -> datetime | None:
    """Return when the last activation by support ended, if nothing but that ever made the subscription active."""
    if status.override or status.licences:
        return None
    query = select(Override).where(Override.team_id == team.id, Override.is_active)
    override = db.session.scalar(query.order_by(Override.id.desc()).limit(1))
    return (override.ended_at or override.expires_at) if override else None


def changes_of(
    team: Team, *, limit: int | None = None, before: int | None = None
) -> list[SubscriptionChange]:
    """Return the changes of a team's subscription, newest first: all, or `limit` of those `before` a row id."""
    query = select(SubscriptionChange).where(SubscriptionChange.team_id == team.id)
    if before is not None:
        query = query.where(SubscriptionChange.id < before)
    return list(db.session.scalars(query.order_by(SubscriptionChange.id.desc()).limit(limit)))


def _status(
    subscription: Subscription | None, override: Override | None, licences: Sequence[Licence], at: datetime
) -> SubscriptionStatus:
    state = effective_state(override, licences, at)
    return SubscriptionStatus(
        state,
        subscription.changed_at if subscription else None,
        subscription.version if subscription else 0,
        override,
        tuple(licences),
        at,
        is_recorded=subscription is None or subscription.state == state,
    )

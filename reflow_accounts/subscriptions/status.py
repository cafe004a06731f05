"""Effective state of a subscription: computed from licences and override, never stored."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from reflow_accounts.subscriptions.models import Licence, LicenceState, Override, State

# AWS confirms a purchase within minutes; after this time support is told.
LONGEST_CONFIRMATION = timedelta(hours=1)
# States of a licence in which API keys work.
GOOD = frozenset({LicenceState.ACTIVE, LicenceState.ENDING})


def effective_state(override: Override | None, licences: Iterable[Licence], at: datetime) -> State:
    """Return the state set by a live override, or else active if any licence of the team is good.

    `override` is the one of the team that has not ended, if any. Licences never end an override.
    """
    if override and is_live(override, at):
        is_active = override.is_active
    else:
        is_active = any(is_good(licence, at) for licence in licences)
    return State.ACTIVE if is_active else State.INACTIVE


def is_live(override: Override, at: datetime) -> bool:
    """Return whether an override is in force at a time."""
    return override.ended_at is None and (override.expires_at is None or at < override.expires_at)


def is_good(licence: Licence, at: datetime) -> bool:
    """Return whether a licence allows API keys: it is active or ending."""
    return current_state(licence, at) in GOOD


def current_state(licence: Licence, at: datetime) -> LicenceState:
    """Return the state of a licence at a time: an ending one ends at `ends_at`, even without an event."""
    if licence.state == LicenceState.ENDING and licence.ends_at is not None and licence.ends_at <= at:
        return LicenceState.ENDED
    return LicenceState(licence.state)


def end_of(licence: Licence) -> datetime:
    """Return the end of a licence that ends or has ended, even if the event of the end is missing."""
    return licence.ends_at if licence.state == LicenceState.ENDING and licence.ends_at else licence.since_at


# The same rules in SQL, for queries. {0} is the column with the team id (may be NULL), {1} the time; `live` is
# the override of the team that has not ended.
JOIN_OVERRIDE = "LEFT JOIN subscription_overrides live ON live.team_id = {0} AND live.ended_at IS NULL"
IS_OVERRIDDEN = "(live.id IS NOT NULL AND (live.expires_at IS NULL OR live.expires_at > {1}))"
IS_ACTIVE_BY_AWS = """EXISTS (
    SELECT 1 FROM licences WHERE licences.team_id = {0}
    AND (
        licences.state = 'active'
        OR (licences.state = 'ending' AND (licences.ends_at IS NULL OR licences.ends_at > {1}))
    )
)"""
STATE = f"""CASE
    WHEN {IS_OVERRIDDEN} THEN CASE WHEN live.is_active THEN 'active' ELSE 'inactive' END
    WHEN {IS_ACTIVE_BY_AWS} THEN 'active'
    ELSE 'inactive'
END"""

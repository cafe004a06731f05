"""What counts for a team at a moment: computed from AWS's facts and support's override, never stored."""

from collections.abc import Iterable
from datetime import datetime

from reflow_accounts.subscriptions.models import Licence, LicenceState, Override, State


def effective_state(override: Override | None, licences: Iterable[Licence], at: datetime) -> State:
    """Return what counts: a live override, else whether any licence of the team is good.

    `override` is the one of the team that has not ended, if any. AWS's facts go on under an override and
    never clear it.
    """
    if override and is_live(override, at):
        is_active = override.is_active
    else:
        is_active = any(is_good(licence, at) for licence in licences)
    return State.ACTIVE if is_active else State.INACTIVE


def is_live(override: Override, at: datetime) -> bool:
    """Say whether an override holds at a moment."""
    return override.ended_at is None and (override.expires_at is None or at < override.expires_at)


def is_good(licence: Licence, at: datetime) -> bool:
    """Say whether a licence opens API keys: while it is active, and while it is ending."""
    return current_state(licence, at) in (LicenceState.ACTIVE, LicenceState.ENDING)


def current_state(licence: Licence, at: datetime) -> LicenceState:
    """Return a licence's state: one whose time has run out has ended, whether AWS said so or not."""
    if licence.state == LicenceState.ENDING and licence.ends_at is not None and licence.ends_at <= at:
        return LicenceState.ENDED
    return LicenceState(licence.state)


# The same in the words of both databases, for whoever cannot afford rows. {0} is the column with a team's
# number (it may be NULL) and {1} the moment; `live` is the team's override that has not ended.
JOIN_OVERRIDE = "LEFT JOIN subscription_overrides live ON live.team_id = {0} AND live.ended_at IS NULL"
STATE = """CASE
    WHEN live.id IS NOT NULL AND (live.expires_at IS NULL OR live.expires_at > {1})
        THEN CASE WHEN live.is_active THEN 'active' ELSE 'inactive' END
    WHEN EXISTS (
        SELECT 1 FROM licences WHERE licences.team_id = {0}
        AND (
            licences.state = 'active'
            OR (licences.state = 'ending' AND (licences.ends_at IS NULL OR licences.ends_at > {1}))
        )
    ) THEN 'active'
    ELSE 'inactive'
END"""

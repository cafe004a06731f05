"""Derive the state of a licence from its events: the highest state ever reported, in any order."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reflow_accounts.subscriptions.models import LicenceState

LICENCE_UPDATED = "License Updated"
LICENCE_DEPROVISIONED = "License Deprovisioned"
# Events about one licence. All others concern an agreement and all its licences.
OF_ONE_LICENCE = frozenset({LICENCE_UPDATED, LICENCE_DEPROVISIONED})
AGREEMENT_ENDED = "Purchase Agreement Ended"
ADVISORY_ISSUED = "Purchase Agreement Advisory Issued"
ADVISORY_RESOLVED = "Purchase Agreement Advisory Resolved"
# Our own event for the result of marketplace-reconcile.
RECONCILED = "Reconciled"
# Our own event for a purchase that was reported to support because AWS has not confirmed it.
REPORTED = "Reported to support"
OUR_OWN = frozenset({RECONCILED, REPORTED})

# RENEWED and REPLACED also end an agreement, but not the licence.
CANCELLING = frozenset({"CANCELLED", "EXPIRED", "TERMINATED"})
SUCCEEDED = frozenset({"RENEWED", "REPLACED"})
# Not handled automatically, only shown to staff.
STRANGE = frozenset({"ARCHIVED", "ROLLED_BACK", "SUPERSEDED"})
# Our own status for an agreement that AWS does not know.
UNKNOWN = "UNKNOWN"
# AWS ends a licence within an hour of announcing the end.
HOUR = timedelta(hours=1)

_RISING_STATES = (LicenceState.PENDING, LicenceState.ACTIVE, LicenceState.ENDING, LicenceState.ENDED)


@dataclass(frozen=True)
class Fact:
    """The relevant part of an event: kind, AWS timestamp and agreement status.

    A result of marketplace-reconcile also has the time of the last request to AWS, and the agreement's start and end.
    """

    kind: str
    at: datetime
    status: str = ""
    requested_at: datetime | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True)
class ReducedState:
    """State of a licence, its start and, for an ending licence, its end."""

    state: LicenceState
    since_at: datetime
    ends_at: datetime | None


def kind_of(detail_type: str) -> str:
    """Return the kind of an event: its detail-type without the recipient after ` - `."""
    return detail_type.partition(" - ")[0].strip()


def reduce(facts: Iterable[Fact], *, is_followed: bool = False) -> ReducedState | None:
    """Return the state that follows from the events of a licence and its agreement, or None without any.

    Order and repetition have no effect: of equal states the earliest time counts. The cancellation of a
    licence that was never active ends it immediately. `is_followed` is whether a renewal or replacement of
    the agreement is known.
    """
    states = [(state, fact.at) for fact in facts if (state := _state_in(fact, is_followed))]
    if not states:
        return None
    if LicenceState.ACTIVE not in {state for state, _ in states}:
        states = [(LicenceState.ENDED, at) for _, at in states]
    highest = max((state for state, _ in states), key=_RISING_STATES.index)
    since = min(at for state, at in states if state == highest)
    return ReducedState(highest, since, since + HOUR if highest == LicenceState.ENDING else None)


def _state_in(fact: Fact, is_followed: bool) -> LicenceState | None:
    if fact.kind == LICENCE_UPDATED:
        return LicenceState.ACTIVE
    if fact.kind == LICENCE_DEPROVISIONED:
        return LicenceState.ENDED
    if fact.kind in (AGREEMENT_ENDED, RECONCILED) and fact.status in CANCELLING:
        return LicenceState.ENDING
    # An hour after the event was due, a response of AWS replaces a lost event.
    if fact.kind == RECONCILED and fact.status == "ACTIVE" and _is_overdue(fact, fact.starts_at):
        return LicenceState.ACTIVE
    if (
        fact.kind == RECONCILED
        and fact.status in SUCCEEDED
        and is_followed
        and _is_overdue(fact, fact.ends_at)
    ):
        return LicenceState.ENDED
    return None


def _is_overdue(fact: Fact, expected_at: datetime | None) -> bool:
    return expected_at is None or fact.requested_at is None or fact.requested_at - expected_at >= HOUR

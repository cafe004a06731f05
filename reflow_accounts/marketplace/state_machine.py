"""From the events of a licence to its state: the highest rank that was ever reported, in whatever order it came."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from reflow_accounts.subscriptions.models import LicenceState

LICENCE_UPDATED = "License Updated"
LICENCE_DEPROVISIONED = "License Deprovisioned"
# These happen to one licence; all other events to an agreement with whatever it holds.
OF_ONE_LICENCE = frozenset({LICENCE_UPDATED, LICENCE_DEPROVISIONED})
AGREEMENT_ENDED = "Purchase Agreement Ended"
AGREEMENT_CREATED = "Purchase Agreement Created"
AGREEMENT_AMENDED = "Purchase Agreement Amended"
ADVISORY_ISSUED = "Purchase Agreement Advisory Issued"
ADVISORY_RESOLVED = "Purchase Agreement Advisory Resolved"
# What our own question to AWS found out, written down like an event.
RECONCILED = "Reconciled"

# RENEWED and REPLACED end an agreement too, and cancel nothing.
CANCELLING = frozenset({"CANCELLED", "EXPIRED", "TERMINATED"})
# Nothing of ours acts on these: staff look at them.
STRANGE = frozenset({"ARCHIVED", "ROLLED_BACK", "SUPERSEDED"})
# Not AWS's: what stands for the status of an agreement that AWS does not know.
UNKNOWN = "UNKNOWN"
# The event that ends a licence comes within the hour after the one that says so.
HOUR = timedelta(hours=1)

_RISING = (LicenceState.PENDING, LicenceState.ACTIVE, LicenceState.ENDING, LicenceState.ENDED)


@dataclass(frozen=True)
class Fact:
    """What one event says: its kind, its time by AWS's clock, and the agreement's status in it."""

    kind: str
    at: datetime
    status: str = ""


@dataclass(frozen=True)
class Reduced:
    """A licence's state, since when, and, while it is ending, when it counts as ended."""

    state: LicenceState
    since_at: datetime
    ends_at: datetime | None


def kind_of(detail_type: str) -> str:
    """Return what an event is, without the party that it was sent to: direct sales name the Proposer alone."""
    return detail_type.partition(" - ")[0].strip()


def reduce(facts: Iterable[Fact]) -> Reduced | None:
    """Return what the events of a licence and its agreement come to; None when they say nothing of it.

    Order and repeats cannot matter: of equal ranks the earliest time holds. What AWS never activated has
    nothing to wind down: its cancellation ends it, since only AWS's word makes a licence good.
    """
    known = [(state, fact.at) for fact in facts if (state := _state_in(fact))]
    if not known:
        return None
    if LicenceState.ACTIVE not in {state for state, _ in known}:
        known = [(LicenceState.ENDED, at) for _, at in known]
    highest = max((state for state, _ in known), key=_RISING.index)
    since = min(at for state, at in known if state == highest)
    return Reduced(highest, since, since + HOUR if highest == LicenceState.ENDING else None)


def _state_in(fact: Fact) -> LicenceState | None:
    if fact.kind == LICENCE_UPDATED:
        return LicenceState.ACTIVE
    if fact.kind == LICENCE_DEPROVISIONED:
        return LicenceState.ENDED
    if fact.kind in (AGREEMENT_ENDED, RECONCILED) and fact.status in CANCELLING:
        return LicenceState.ENDING
    return None

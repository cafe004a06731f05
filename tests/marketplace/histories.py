"""Random histories of purchases, and the state that each must lead to (an independent model of the rules)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import permutations
from math import factorial
from random import Random
from typing import Any

from tests.helpers.aws import ACCOUNT, event

START = datetime(2026, 11, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Registration:
    """The registration of a licence by its buyer; the token may lack the agreement."""

    licence: str
    agreement: str | None


Step = str | Registration


@dataclass
class Purchase:
    """A purchase with its renewals: the names of its agreements, oldest first, and whether it was cancelled."""

    names: list[str]
    is_cancelled: bool

    @property
    def licence_states(self) -> dict[str, str]:
        """The final state of each licence: only the last one is active, unless cancelled."""
        states = dict.fromkeys((f"l-{name}" for name in self.names), "ended")
        return states | ({} if self.is_cancelled else {f"l-{self.names[-1]}": "active"})

    def agreements(self, *, with_licences: bool) -> list[dict[str, Any]]:
        """Return the final answer of the Agreement API."""
        first, last = self.names[0], self.names[-1]
        rows = []
        for name in self.names:
            status = "RENEWED" if name != last else "CANCELLED" if self.is_cancelled else "ACTIVE"
            row: dict[str, Any] = {"agreementId": f"agmt-{name}", "status": status}
            row |= {"initialAgreementId": f"agmt-{first}", "startTime": START.timestamp()}
            if with_licences:
                row["entitlements"] = [{"licenseArn": f"arn:aws:license-manager::{ACCOUNT}:license:l-{name}"}]
            rows.append(row)
        return rows


@dataclass
class History:
    """The purchases of one team: `events` and `registrations` in the order in which they happened."""

    purchases: list[Purchase] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    registrations: list[Registration] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return any(not purchase.is_cancelled for purchase in self.purchases)

    def steps(self, random: Random, *, without: str | None = None) -> list[Step]:
        """Return all steps in random order, some events twice, and none of the event `without`."""
        events = [body for body in self.events if body != without]
        repeated = random.sample(events, random.randint(0, min(3, len(events))))
        steps: list[Step] = [*events, *repeated, *self.registrations]
        random.shuffle(steps)
        return steps


def orders_of(history: History, seed: int, limit: int) -> Iterator[Callable[[History], list[Step]]]:
    """Yield functions that order the steps of a history of this seed.

    All orders if they are at most `most`, else so many random ones, in which some events come twice.
    """
    count = len(history.events) + len(history.registrations)
    if factorial(count) <= limit:
        for order in permutations(range(count)):
            yield lambda history, order=order: [
                [*history.events, *history.registrations][index] for index in order
            ]
    else:
        for number in range(limit):
            yield lambda history, number=number: history.steps(Random(f"{seed} {number}"))


def random_history(seed: int, name: str) -> History:
    """Return the history of a seed: one or two purchases with up to three renewals each; `name` makes it unique."""
    random, history = Random(seed), History()
    for number in range(random.randint(1, 2)):
        names = [f"{name}-{number}-{letter}" for letter in "abcd"[: random.randint(1, 4)]]
        purchase = Purchase(names, is_cancelled=random.random() < 0.4)
        history.purchases.append(purchase)
        for position, name in enumerate(names):
            history.events += _agreement_events(purchase, position, START + timedelta(days=position), random)
            is_last = position == len(names) - 1
            if random.random() < 0.3 or (is_last and not _is_registered(history, names)):
                has_agreement = random.random() < 0.6
                history.registrations.append(
                    Registration(f"l-{name}", f"agmt-{name}" if has_agreement else None)
                )
    history.registrations += random.sample(history.registrations, random.randint(0, 1))
    return history


def _is_registered(history: History, names: list[str]) -> bool:
    return any(
        registration.licence == f"l-{name}" for registration in history.registrations for name in names
    )


def _agreement_events(purchase: Purchase, position: int, at: datetime, random: Random) -> list[str]:
    name, is_last = purchase.names[position], position == len(purchase.names) - 1
    agreement, licence = f"agmt-{name}", f"l-{name}"
    intent, previous = "NEW", {}
    if position:
        intent = random.choice(["RENEW", "REPLACE"])
        previous = {"previousAgreementId": f"agmt-{purchase.names[position - 1]}"}
    created = "Purchase Agreement Created"
    events = [
        event(created, "", agreement, at=at, intent=intent, status="ACTIVE", **previous),
        event("License Updated", licence, agreement, at=at),
    ]
    if random.random() < 0.3:
        events.append(event("Purchase Agreement Amended", "", agreement, at=at, status="ACTIVE"))
    end = at + timedelta(days=1)
    if not is_last:
        status = random.choice(["RENEWED", "REPLACED"])
    elif purchase.is_cancelled:
        status = random.choice(["CANCELLED", "EXPIRED", "TERMINATED"])
    else:
        return events
    ended = event("Purchase Agreement Ended", "", agreement, at=end, status=status)
    return [*events, ended, event("License Deprovisioned", licence, agreement, at=end)]

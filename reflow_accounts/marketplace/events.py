"""Take an event in, once, and apply what all events of its licence and agreement come to."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import false, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.database import db
from reflow_accounts.marketplace.aws_client import AgreementFacts, Customer
from reflow_accounts.marketplace.models import Agreement, MarketplaceEvent
from reflow_accounts.marketplace.parsing import Event, parse, status_in, time_in, word
from reflow_accounts.marketplace.state_machine import (
    ADVISORY_ISSUED,
    ADVISORY_RESOLVED,
    OF_ONE_LICENCE,
    RECONCILED,
    Fact,
    reduce,
)
from reflow_accounts.subscriptions.licences import claim, hold_licence, learn, report
from reflow_accounts.subscriptions.models import Licence
from reflow_accounts.teams.models import Team

_FLAG = "AWS issued an advisory for this agreement"


def ingest(body: str, product_code: str) -> Event | None:
    """Take in the event that a message of the queue holds; None when it was taken in before.

    Everything that follows from it is in the caller's transaction. An event of another product, or of an
    unknown kind, is kept and has no effect. Raises Malformed.
    """
    event = parse(body)
    if event.product_code not in ("", product_code):
        # Kept without what would connect it: an agreement may have licences of several products.
        event = replace(event, licence_key=None, agreement_id=None)
    key, agreement_id = event.licence_key, event.agreement_id
    if not _keep(event.event_id, event.kind, event.at, key, agreement_id, event.detail):
        return None
    if agreement_id:
        _hold_agreement(agreement_id)
    if key:
        learn(key, product_code=product_code, aws_account=event.aws_account, agreement_id=agreement_id)
    _apply(key, agreement_id)
    return event


def ingest_facts(facts: AgreementFacts, at: datetime) -> bool:
    """Take in what AWS answered about an agreement, as an event of that day; say whether it was new."""
    event_id = f"reconcile:{facts.agreement_id}:{facts.status}:{at:%Y-%m-%d}"
    agreement: dict[str, Any] = {"id": facts.agreement_id, "status": facts.status}
    times = {"startTime": facts.starts_at, "endTime": facts.ends_at}
    agreement |= {name: value.isoformat() for name, value in times.items() if value}
    if facts.initial_id:
        agreement["initialAgreementId"] = facts.initial_id
    ended_at = min(facts.ends_at, at) if facts.ends_at else at
    if not _keep(event_id, RECONCILED, ended_at, None, facts.agreement_id, {"agreement": agreement}):
        return False
    _hold_agreement(facts.agreement_id).checked_at = at
    _apply(None, facts.agreement_id)
    return True


def register(customer: Customer, *, is_trial: bool) -> Licence:
    """Return the licence of a buyer who registers, with all that events said of it before."""
    if customer.agreement_id:
        _hold_agreement(customer.agreement_id)
    found = learn(
        customer.licence_key,
        product_code=customer.product_code,
        aws_account=customer.aws_account,
        agreement_id=customer.agreement_id,
        is_trial=is_trial,
    )
    _apply(customer.licence_key, found.agreement_id)
    return found


def _keep(
    event_id: str,
    kind: str,
    at: datetime,
    licence_key: str | None,
    agreement_id: str | None,
    detail: dict[str, Any],
) -> bool:
    """Keep an event; say whether it is new. Who keeps the same one at once waits here for the other's commit."""
    row = {"event_id": event_id, "kind": kind, "at": at, "licence_key": licence_key}
    try:
        with db.session.begin_nested():
            db.session.execute(
                insert(MarketplaceEvent).values(row | {"agreement_id": agreement_id, "detail": detail})
            )
    except IntegrityError:
        return False
    return True


def _hold_agreement(agreement_id: str) -> Agreement:
    """Let nobody else take in events of an agreement until the transaction ends; one that is new is added.

    Two events that each wait for the other's licence, or agreement, meet here.
    """
    if db.session.get(Agreement, agreement_id) is None:
        try:
            with db.session.begin_nested():
                db.session.execute(insert(Agreement).values(agreement_id=agreement_id))
        except IntegrityError:
            # Somebody else learnt of it in this moment.
            pass
    same = Agreement.agreement_id == agreement_id
    db.session.execute(update(Agreement).where(same).values(status=Agreement.status))
    return db.session.get_one(Agreement, agreement_id, populate_existing=True)


def _apply(licence_key: str | None, agreement_id: str | None) -> None:
    """Set what the events that are kept come to, for an agreement and every licence that it concerns."""
    agreement = db.session.get(Agreement, agreement_id) if agreement_id else None
    if agreement:
        _describe(agreement)
    wanted = [Licence.key == licence_key] if licence_key else []
    wanted += [Licence.agreement_id == agreement_id] if agreement_id else []
    # Without either nothing is known to concern a licence.
    keys = db.session.scalars(select(Licence.key).where(or_(false(), *wanted)).order_by(Licence.id))
    for key in list(keys):
        licence = hold_licence(key)
        _settle(licence)
        _carry_over(licence)


def _settle(licence: Licence) -> None:
    concerns = [MarketplaceEvent.licence_key == licence.key]
    if licence.agreement_id:
        # An agreement may have several licences: what happens to one of them is not the others' business,
        # also when the event does not say to which.
        is_of_all = MarketplaceEvent.licence_key.is_(None) & MarketplaceEvent.kind.not_in(OF_ONE_LICENCE)
        concerns.append((MarketplaceEvent.agreement_id == licence.agreement_id) & is_of_all)
    events = db.session.scalars(select(MarketplaceEvent).where(or_(*concerns)))
    found = reduce(Fact(event.kind, event.at, status_in(event.detail)) for event in events)
    if found and (found.state, found.since_at, found.ends_at) != (
        licence.state,
        licence.since_at,
        licence.ends_at,
    ):
        words = f"AWS Marketplace reported the licence as {found.state}."
        report(licence, found.state, found.since_at, found.ends_at, reason=words)


def _carry_over(licence: Licence) -> None:
    """Give a renewal to the team of the agreement before it."""
    agreement = db.session.get(Agreement, licence.agreement_id) if licence.agreement_id else None
    if licence.team_id is not None or agreement is None:
        return
    before = [name for name in (agreement.previous_id, agreement.initial_id) if name]
    chain = select(Agreement.agreement_id).where(Agreement.initial_id.in_(before))
    team = db.session.scalar(
        select(Team)
        .join(Licence, Licence.team_id == Team.id)
        .where(or_(Licence.agreement_id.in_(before), Licence.agreement_id.in_(chain)))
        .order_by(Licence.id.desc())
        .limit(1)
    )
    if team:
        claim(licence, team, by=None)


def _describe(agreement: Agreement) -> None:
    """Set what the newest events say of an agreement, by AWS's clock."""
    query = select(MarketplaceEvent).where(MarketplaceEvent.agreement_id == agreement.agreement_id)
    agreement.advisory = ""
    for event in db.session.scalars(query.order_by(MarketplaceEvent.at, MarketplaceEvent.event_id)):
        said = event.detail.get("agreement")
        said = said if isinstance(said, dict) else {}
        agreement.status = status_in(event.detail) or agreement.status
        agreement.starts_at = time_in(said, "startTime") or agreement.starts_at
        agreement.ends_at = time_in(said, "endTime") or agreement.ends_at
        agreement.previous_id = word(said.get("previousAgreementId")) or agreement.previous_id
        agreement.initial_id = word(said.get("initialAgreementId")) or agreement.initial_id
        if event.kind in (ADVISORY_ISSUED, ADVISORY_RESOLVED):
            agreement.advisory = _FLAG if event.kind == ADVISORY_ISSUED else ""
    db.session.flush()

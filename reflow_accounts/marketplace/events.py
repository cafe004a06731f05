"""Ingest events once, and apply the state that follows from all events of a licence and agreement."""

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
from reflow_accounts.subscriptions.licences import claim, learn, lock_licence, report
from reflow_accounts.subscriptions.models import Licence
from reflow_accounts.teams.models import Team

_FLAG = "AWS issued an advisory for this agreement"


def ingest(body: str, product_code: str) -> Event | None:
    """Store the event of a queue message and apply it, in the caller's transaction.

    Returns None when the event is stored already. Events of other products or of unknown kinds are stored
    without effect. Raises Malformed.
    """
    event = parse(body)
    if event.product_code not in ("", product_code):
        # Stored without licence and agreement: an agreement may have licences of several products.
        event = replace(event, licence_key=None, agreement_id=None)
    key, agreement_id = event.licence_key, event.agreement_id
    if not _store(event.event_id, event.kind, event.at, key, agreement_id, event.detail):
        return None
    if agreement_id:
        _lock_agreement(agreement_id)
    if key:
        learn(key, product_code=product_code, aws_account=event.aws_account, agreement_id=agreement_id)
    _apply(key, agreement_id)
    return event


def ingest_facts(facts: AgreementFacts, at: datetime) -> bool:
    """Store the AWS status of an agreement as an event of the day and apply it; return whether it is new."""
    event_id = f"reconcile:{facts.agreement_id}:{facts.status}:{at:%Y-%m-%d}"
    agreement: dict[str, Any] = {"id": facts.agreement_id, "status": facts.status}
    times = {"startTime": facts.starts_at, "endTime": facts.ends_at}
    agreement |= {name: value.isoformat() for name, value in times.items() if value}
    if facts.initial_id:
        agreement["initialAgreementId"] = facts.initial_id
    ended_at = min(facts.ends_at, at) if facts.ends_at else at
    if not _store(event_id, RECONCILED, ended_at, None, facts.agreement_id, {"agreement": agreement}):
        return False
    _lock_agreement(facts.agreement_id).checked_at = at
    _apply(None, facts.agreement_id)
    return True


def register(customer: Customer, *, is_trial: bool) -> Licence:
    """Return the licence of a buyer who registers, with the state from earlier events."""
    if customer.agreement_id:
        _lock_agreement(customer.agreement_id)
    licence = learn(
        customer.licence_key,
        product_code=customer.product_code,
        aws_account=customer.aws_account,
        agreement_id=customer.agreement_id,
        is_trial=is_trial,
    )
    _apply(customer.licence_key, licence.agreement_id)
    return licence


def _store(
    event_id: str,
    kind: str,
    at: datetime,
    licence_key: str | None,
    agreement_id: str | None,
    detail: dict[str, Any],
) -> bool:
    """Store an event and return whether it is new. A concurrent insert of the same event waits for the commit."""
    row = {"event_id": event_id, "kind": kind, "at": at, "licence_key": licence_key}
    try:
        with db.session.begin_nested():
            db.session.execute(
                insert(MarketplaceEvent).values(row | {"agreement_id": agreement_id, "detail": detail})
            )
    except IntegrityError:
        return False
    return True


def _lock_agreement(agreement_id: str) -> Agreement:
    """Lock an agreement until the transaction ends, adding it if it is new.

    All events of an agreement are serialized here, which prevents deadlocks between their licences.
    """
    if db.session.get(Agreement, agreement_id) is None:
        try:
            with db.session.begin_nested():
                db.session.execute(insert(Agreement).values(agreement_id=agreement_id))
        except IntegrityError:
            # Another transaction added it concurrently.
            pass
    same = Agreement.agreement_id == agreement_id
    db.session.execute(update(Agreement).where(same).values(status=Agreement.status))
    return db.session.get_one(Agreement, agreement_id, populate_existing=True)


def _apply(licence_key: str | None, agreement_id: str | None) -> None:
    """Apply the stored events to an agreement and to every licence that they concern."""
    agreement = db.session.get(Agreement, agreement_id) if agreement_id else None
    if agreement:
        _describe(agreement)
    selected = [Licence.key == licence_key] if licence_key else []
    selected += [Licence.agreement_id == agreement_id] if agreement_id else []
    # Without a key or an agreement no licence is selected.
    keys = db.session.scalars(select(Licence.key).where(or_(false(), *selected)).order_by(Licence.id))
    for key in list(keys):
        licence = lock_licence(key)
        _apply_state(licence)
        _carry_over(licence)


def _apply_state(licence: Licence) -> None:
    concerns = [MarketplaceEvent.licence_key == licence.key]
    if licence.agreement_id:
        # An agreement may have several licences. Events about one licence do not apply to the others, even when
        # the event does not name the licence.
        is_of_all = MarketplaceEvent.licence_key.is_(None) & MarketplaceEvent.kind.not_in(OF_ONE_LICENCE)
        concerns.append((MarketplaceEvent.agreement_id == licence.agreement_id) & is_of_all)
    events = db.session.scalars(select(MarketplaceEvent).where(or_(*concerns)))
    reduced = reduce(Fact(event.kind, event.at, status_in(event.detail)) for event in events)
    if reduced and (reduced.state, reduced.since_at, reduced.ends_at) != (
        licence.state,
        licence.since_at,
        licence.ends_at,
    ):
        reason = f"AWS Marketplace reported the licence as {reduced.state}."
        report(licence, reduced.state, reduced.since_at, reduced.ends_at, reason=reason)


def _carry_over(licence: Licence) -> None:
    """Connect a renewal to the team of the previous agreement."""
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
    """Update an agreement from its events, in the order of AWS timestamps."""
    query = select(MarketplaceEvent).where(MarketplaceEvent.agreement_id == agreement.agreement_id)
    agreement.advisory = ""
    for event in db.session.scalars(query.order_by(MarketplaceEvent.at, MarketplaceEvent.event_id)):
        member = event.detail.get("agreement")
        reported = member if isinstance(member, dict) else {}
        agreement.status = status_in(event.detail) or agreement.status
        agreement.starts_at = time_in(reported, "startTime") or agreement.starts_at
        agreement.ends_at = time_in(reported, "endTime") or agreement.ends_at
        agreement.previous_id = word(reported.get("previousAgreementId")) or agreement.previous_id
        agreement.initial_id = word(reported.get("initialAgreementId")) or agreement.initial_id
        if event.kind in (ADVISORY_ISSUED, ADVISORY_RESOLVED):
            agreement.advisory = _FLAG if event.kind == ADVISORY_ISSUED else ""
    db.session.flush()

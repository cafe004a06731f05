"""Ingest events, results of marketplace-reconcile and registrations, once each and in any order."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from reflow_accounts.database import db
from reflow_accounts.marketplace.aws_client import AgreementFacts, Customer
from reflow_accounts.marketplace.chains import apply_events, chain_of, licences_of, lock_marketplace
from reflow_accounts.marketplace.models import Agreement, MarketplaceEvent
from reflow_accounts.marketplace.parsing import Event, parse
from reflow_accounts.marketplace.state_machine import RECONCILED
from reflow_accounts.subscriptions.licences import add_or_complete, find_licence
from reflow_accounts.subscriptions.models import Licence


def ingest(body: str, product_code: str) -> Event | None:
    """Store the event of a queue message and apply it, in the caller's transaction.

    Returns None when the event is stored already. Events of other products or of unknown kinds are stored
    without effect. Raises Malformed.
    """
    event = parse(body)
    if event.product_code not in ("", product_code):
        # Stored without licence and agreement, because an agreement may have licences of several products.
        event = replace(event, licence_key=None, agreement_id=None)
    lock_marketplace()
    if db.session.get(MarketplaceEvent, event.event_id):
        return None
    _store(event.event_id, event.kind, event.at, event.licence_key, event.agreement_id, event.detail)
    if event.licence_key:
        add_or_complete(
            event.licence_key,
            product_code=product_code,
            aws_account=event.aws_account,
            agreement_id=event.agreement_id,
        )
    apply_events(event.licence_key, event.agreement_id)
    return event


def ingest_facts(facts: AgreementFacts, asked_at: datetime, product_code: str) -> None:
    """Store the response of AWS about an agreement and apply it.

    AWS was asked at `asked_at`; events after that are newer. A response with the same status replaces an older one;
    the event keeps the time of the first.
    """
    lock_marketplace()
    event_id = f"reconcile:{facts.agreement_id}:{facts.status}"
    event = db.session.get(MarketplaceEvent, event_id, populate_existing=True)
    if event:
        if event.received_at < asked_at:
            event.received_at, event.detail = asked_at, _detail(facts)
            db.session.flush()
    else:
        ended_at = min(facts.ends_at, asked_at) if facts.ends_at else asked_at
        event = _store(event_id, RECONCILED, ended_at, None, facts.agreement_id, _detail(facts))
        event.received_at = asked_at
    apply_events(None, facts.agreement_id)
    if _learn_licences(facts, product_code):
        apply_events(None, facts.agreement_id)
    db.session.get_one(Agreement, facts.agreement_id).checked_at = asked_at


def register(customer: Customer, *, is_trial: bool) -> Licence:
    """Return the licence of a buyer who registers, with its state from earlier events."""
    lock_marketplace()
    licence = add_or_complete(
        customer.licence_key,
        product_code=customer.product_code,
        aws_account=customer.aws_account,
        agreement_id=customer.agreement_id,
        is_trial=is_trial,
    )
    apply_events(customer.licence_key, licence.agreement_id)
    return licence


def _store(
    event_id: str,
    kind: str,
    at: datetime,
    licence_key: str | None,
    agreement_id: str | None,
    detail: dict[str, Any],
) -> MarketplaceEvent:
    event = MarketplaceEvent(
        event_id=event_id,
        kind=kind,
        at=at,
        licence_key=licence_key,
        agreement_id=agreement_id,
        detail=detail,
    )
    db.session.add(event)
    db.session.flush()
    return event


def _detail(facts: AgreementFacts) -> dict[str, Any]:
    """Return the response of the Agreement API in the form of an event."""
    agreement: dict[str, Any] = {"id": facts.agreement_id, "status": facts.status}
    times = {"startTime": facts.starts_at, "endTime": facts.ends_at}
    agreement |= {name: value.isoformat() for name, value in times.items() if value}
    if facts.initial_id:
        agreement["initialAgreementId"] = facts.initial_id
    return {"agreement": agreement, "acceptor": {"accountId": facts.aws_account}}


def _learn_licences(facts: AgreementFacts, product_code: str) -> bool:
    """Store the licences that AWS returns for an agreement, and return whether any may be new.

    AWS does not return the product of a licence. A single licence is ours if the chain has one of ours; of several
    licences only known ones are. For a live agreement without a known licence, the id of the agreement replaces the
    key.
    """
    licences = licences_of(chain_of({facts.agreement_id}))
    keys = [key for key in facts.licence_keys if find_licence(key)]
    if not keys and licences and len(facts.licence_keys) == 1:
        keys = list(facts.licence_keys)
    has_licence = any(licence.agreement_id == facts.agreement_id for licence in licences)
    if not keys and licences and not has_licence and facts.status == "ACTIVE":
        keys = [facts.agreement_id]
    for key in keys:
        add_or_complete(
            key, product_code=product_code, aws_account=facts.aws_account, agreement_id=facts.agreement_id
        )
    return bool(keys)

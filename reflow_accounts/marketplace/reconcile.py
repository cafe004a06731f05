"""Compare agreements with AWS once a day, and report purchases that AWS has not confirmed within an hour."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from flask import current_app
from sqlalchemy import or_, select

from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.config import Settings
from reflow_accounts.database import db, now
from reflow_accounts.mail.service import post
from reflow_accounts.marketplace.aws_client import (
    AgreementFacts,
    AgreementRefused,
    AwsAway,
    describe_agreement,
    search_agreements,
)
from reflow_accounts.marketplace.chains import lock_marketplace
from reflow_accounts.marketplace.events import ingest_facts
from reflow_accounts.marketplace.models import Agreement, MarketplaceEvent
from reflow_accounts.marketplace.state_machine import CANCELLING, REPORTED, STRANGE, UNKNOWN
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.subscriptions.status import GOOD, LONGEST_CONFIRMATION
from reflow_accounts.teams.models import Team


def reconcile(settings: AwsSettings) -> Iterator[str]:
    """Ingest the state at AWS of each of our agreements; yield a line for each changed status or licence.

    Unsettled agreements that the search does not return are requested by id. Commits after each agreement, so that
    an aborted run keeps what it printed. Concurrent runs are harmless. Raises AwsAway.
    """
    agreements = list(db.session.scalars(select(Agreement)))
    licences = list(db.session.scalars(select(Licence)))
    keys = {licence.key for licence in licences}
    statuses = {licence.agreement_id: "" for licence in licences if licence.agreement_id}
    linked_ids = {name for row in agreements for name in (row.initial_id, row.previous_id) if name}
    statuses |= dict.fromkeys(linked_ids, "") | {row.agreement_id: row.status for row in agreements}
    licensed_ids = {licence.agreement_id for licence in licences}
    renewal_ids = {
        row.agreement_id for row in agreements if {row.initial_id, row.previous_id} & (licensed_ids - {None})
    }
    # Those with a licence that has not ended, and renewals without a known licence.
    unsettled_ids = {
        row.agreement_id for row in licences if row.agreement_id and row.state != LicenceState.ENDED
    }
    unsettled_ids |= renewal_ids - licensed_ids
    db.session.rollback()
    # Live agreements first, so that a renewal is known before its predecessor ends.
    searched_at = now()
    search_results = sorted(search_agreements(settings), key=lambda facts: facts.status != "ACTIVE")
    for facts in search_results:
        is_ours = facts.agreement_id in statuses or facts.initial_id in statuses
        if is_ours or not keys.isdisjoint(facts.licence_keys):
            unsettled_ids.discard(facts.agreement_id)
            yield from _ingest(settings, facts, statuses.get(facts.agreement_id, ""), searched_at)
    yield from _ask_about(settings, sorted(unsettled_ids), statuses)


def _ask_about(
    settings: AwsSettings, agreement_ids: Iterable[str], old_statuses: Mapping[str, str]
) -> Iterator[str]:
    """Request agreements by id. Raises AwsAway, after the last one if AWS refuses only some of them."""
    refusals = []
    for agreement_id in agreement_ids:
        asked_at = now()
        try:
            description = describe_agreement(settings, agreement_id)
        except AgreementRefused as refusal:
            refusals.append(f"{refusal} about {agreement_id}")
            continue
        unknown = AgreementFacts(agreement_id, None, UNKNOWN, None, None)
        yield from _ingest(settings, description or unknown, old_statuses.get(agreement_id, ""), asked_at)
    if refusals:
        more = f", and refused {len(refusals) - 1} more" if len(refusals) > 1 else ""
        raise AwsAway(f"AWS answered {refusals[0]}{more}.")


def _ingest(
    settings: AwsSettings, facts: AgreementFacts, old_status: str, asked_at: datetime
) -> Iterator[str]:
    states = _states_of(facts.agreement_id)
    ingest_facts(facts, asked_at, settings.product_code)
    db.session.commit()
    is_changed = _states_of(facts.agreement_id) != states
    if facts.status == old_status and not is_changed:
        return
    if facts.status == UNKNOWN:
        yield f"{facts.agreement_id}: AWS does not know it"
    else:
        verb = "activates" if facts.status == "ACTIVE" else "ends"
        was = "unknown" if old_status in ("", UNKNOWN) else old_status
        yield f"{facts.agreement_id}: {was} → {facts.status}{f', which {verb} its licence' if is_changed else ''}"


def _states_of(agreement_id: str) -> list[str]:
    query = select(Licence.state).where(Licence.agreement_id == agreement_id)
    return list(db.session.scalars(query.order_by(Licence.id)))


def agreements_of(licences: Iterable[Licence]) -> dict[str, Agreement]:
    """Return the agreements of these licences by id."""
    ids = [licence.agreement_id for licence in licences if licence.agreement_id]
    agreements = db.session.scalars(select(Agreement).where(Agreement.agreement_id.in_(ids))) if ids else ()
    return {agreement.agreement_id: agreement for agreement in agreements}


def flags_of(licence: Licence, agreement: Agreement | None) -> list[str]:
    """Return a sentence for each discrepancy between a licence and its agreement."""
    if agreement is None:
        return []
    flags = [f"{agreement.advisory}."] if agreement.advisory else []
    if agreement.status == UNKNOWN:
        flags.append("AWS does not know the agreement.")
    if agreement.status in STRANGE:
        flags.append(f"AWS calls the agreement {agreement.status}.")
    if agreement.status == "ACTIVE" and licence.state in (LicenceState.PENDING, LicenceState.ENDED):
        flags.append(f"AWS calls the agreement ACTIVE, and its licence is {licence.state}.")
    if agreement.status in CANCELLING and licence.state == LicenceState.ACTIVE:
        flags.append(f"AWS calls the agreement {agreement.status}, and its licence is active.")
    return flags


def waiting_purchases() -> list[tuple[Licence, Team | None]]:
    """Return the licences that have been pending for more than an hour, oldest first, with their teams."""
    query = (
        select(Licence, Team)
        .outerjoin(Team, Team.id == Licence.team_id)
        .where(Licence.state == LicenceState.PENDING, Licence.created_at < now() - LONGEST_CONFIRMATION)
    )
    return [(licence, team) for licence, team in db.session.execute(query.order_by(Licence.id))]


def purchases_without_team() -> list[Licence]:
    """Return the live licences of buyers who have not connected them to a team, oldest first."""
    has_not_ended = or_(Licence.ends_at.is_(None), Licence.ends_at > now())
    query = select(Licence).where(Licence.team_id.is_(None), Licence.state.in_(GOOD), has_not_ended)
    return list(db.session.scalars(query.order_by(Licence.created_at, Licence.id)))


def report_waiting() -> int:
    """Mail the support address about waiting purchases, once each, and return how many are new. Commits.

    An event of kind REPORTED records each mailed purchase, so that concurrent processes mail it once.
    """
    if not waiting_purchases():
        return 0
    lock_marketplace()
    query = select(MarketplaceEvent.licence_key).where(MarketplaceEvent.kind == REPORTED)
    reported_keys = set(db.session.scalars(query))
    new_purchases = [
        (licence, team) for licence, team in waiting_purchases() if licence.key not in reported_keys
    ]
    for licence, _ in new_purchases:
        facts = {"event_id": f"waiting:{licence.key}", "kind": REPORTED, "at": now()}
        db.session.add(MarketplaceEvent(**facts, licence_key=licence.key, detail={}))
    purchases = [
        {
            "licence": licence.key,
            "account": licence.aws_account or "unknown",
            "team": team.name if team else "not connected to a team",
            "since": f"{licence.created_at:%d %b %Y %H:%M} UTC",
        }
        for licence, team in new_purchases
    ]
    if purchases:
        settings: Settings = current_app.config["SETTINGS"]
        post("purchases_waiting", settings.support_email, purchases=purchases)
    db.session.commit()
    return len(new_purchases)

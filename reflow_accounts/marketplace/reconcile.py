"""Compare agreements with AWS once a day, in case an event was lost, and list discrepancies."""

from collections.abc import Iterable, Iterator

from sqlalchemy import select

from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.database import db, now
from reflow_accounts.marketplace.aws_client import AgreementFacts, describe_agreement, search_agreements
from reflow_accounts.marketplace.events import ingest_facts
from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.marketplace.state_machine import CANCELLING, STRANGE, UNKNOWN
from reflow_accounts.subscriptions.models import Licence, LicenceState


def reconcile(settings: AwsSettings) -> Iterator[str]:
    """Ingest the AWS status of each known agreement; yield a line for each changed status.

    Commits after each agreement, so that an aborted run keeps what it printed. Concurrent runs are harmless.
    Raises AwsAway.
    """
    known = {row.agreement_id: row.status for row in db.session.scalars(select(Agreement))}
    bought = select(Licence.agreement_id).where(Licence.agreement_id.is_not(None))
    known |= {name: "" for name in db.session.scalars(bought) if name and name not in known}
    unended = select(Licence.agreement_id).where(
        Licence.agreement_id.is_not(None), Licence.state != LicenceState.ENDED
    )
    open_ids = {name for name in db.session.scalars(unended) if name}
    seen = set()
    for facts in search_agreements(settings):
        if facts.agreement_id in known or facts.initial_id in known:
            seen.add(facts.agreement_id)
            yield from _ingest(facts, known.get(facts.agreement_id, ""))
    for agreement_id in sorted(open_ids - seen):
        described = describe_agreement(settings, agreement_id)
        unknown = AgreementFacts(agreement_id, None, UNKNOWN, None, None)
        yield from _ingest(described or unknown, known.get(agreement_id, ""))


def _ingest(facts: AgreementFacts, before: str) -> Iterator[str]:
    states = _states_of(facts.agreement_id)
    ingest_facts(facts, now())
    db.session.commit()
    if facts.status == before:
        return
    if facts.status == UNKNOWN:
        yield f"{facts.agreement_id}: AWS does not know it"
    else:
        effect = ", which ends its licence" if _states_of(facts.agreement_id) != states else ""
        was = "unknown" if before in ("", UNKNOWN) else before
        yield f"{facts.agreement_id}: {was} → {facts.status}{effect}"


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

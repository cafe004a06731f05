"""What staff should know of a purchase beside its state: the agreement's status, and what AWS warns of."""

from collections.abc import Iterable

from sqlalchemy import select

from reflow_accounts.database import db
from reflow_accounts.marketplace.models import Agreement
from reflow_accounts.marketplace.state_machine import CANCELLING, STRANGE, UNKNOWN
from reflow_accounts.subscriptions.models import Licence, LicenceState


def agreements_of(licences: Iterable[Licence]) -> dict[str, Agreement]:
    """Return the agreements of these licences, by their ids."""
    wanted = [licence.agreement_id for licence in licences if licence.agreement_id]
    if not wanted:
        return {}
    found = db.session.scalars(select(Agreement).where(Agreement.agreement_id.in_(wanted)))
    return {agreement.agreement_id: agreement for agreement in found}


def flags_of(licence: Licence, agreement: Agreement | None) -> list[str]:
    """Say, a sentence each, what about a licence and its agreement somebody should look at."""
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

"""Chains of agreements (a purchase and its renewals): lock them, and apply the stored events to their licences."""

from collections.abc import Collection, Sequence

from sqlalchemy import false, or_, select, text, update

from reflow_accounts.database import db, reload_rows
from reflow_accounts.marketplace.models import Agreement, MarketplaceEvent
from reflow_accounts.marketplace.parsing import account_in, ascii_text, status_in, time_in
from reflow_accounts.marketplace.state_machine import (
    ADVISORY_ISSUED,
    ADVISORY_RESOLVED,
    CANCELLING,
    OF_ONE_LICENCE,
    RECONCILED,
    SUCCEEDED,
    UNKNOWN,
    Fact,
    ReducedState,
    reduce,
)
from reflow_accounts.subscriptions.licences import connect_to_team, set_aws_state
from reflow_accounts.subscriptions.models import Licence, LicenceState
from reflow_accounts.subscriptions.status import GOOD
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import lock_team
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

_FLAG = "AWS issued an advisory for this agreement"


def lock_marketplace() -> None:
    """Serialize all changes of agreements and licences until the transaction ends.

    Any event may link two agreements, so that locks of single agreements could not be taken in a fixed order. The
    lock order is: this lock, licences, teams by id. Readers do not wait. On SQLite the first write of a transaction
    is the lock.
    """
    if db.engine.dialect.name == "postgresql":
        db.session.execute(text("LOCK TABLE marketplace_agreements IN SHARE ROW EXCLUSIVE MODE"))
    else:
        db.session.execute(update(Agreement).where(false()).values(status=Agreement.status))


def chain_of(agreement_ids: Collection[str]) -> set[str]:
    """Return the ids of these agreements and of all that are linked to them, directly or indirectly."""
    chain, new_ids = set[str](), set(agreement_ids)
    while new_ids:
        chain |= new_ids
        is_linked = or_(
            Agreement.agreement_id.in_(new_ids),
            Agreement.initial_id.in_(new_ids),
            Agreement.previous_id.in_(new_ids),
        )
        query = select(Agreement.agreement_id, Agreement.initial_id, Agreement.previous_id)
        new_ids = {name for row in db.session.execute(query.where(is_linked)) for name in row if name} - chain
    return chain


def licences_of(agreement_ids: Collection[str], licence_key: str | None = None) -> Sequence[Licence]:
    """Return the licences of these agreements and the one with this key, reloaded."""
    return reload_rows(
        select(Licence)
        .where(or_(Licence.agreement_id.in_(agreement_ids), Licence.key == licence_key))
        .order_by(Licence.id)
    )


def awaits_renewal(licence: Licence) -> bool:
    """Return whether AWS renewed an ended licence, and has reported neither licence nor end of the renewal."""
    agreement_ids = chain_of({licence.agreement_id} if licence.agreement_id else ())
    query = select(Agreement).where(Agreement.agreement_id.in_(agreement_ids))
    statuses = {agreement.agreement_id: agreement.status for agreement in db.session.scalars(query)}
    licensed_ids = {row.agreement_id or "" for row in licences_of(agreement_ids)}
    has_end = not CANCELLING.isdisjoint(statuses.values())
    return (
        bool(licensed_ids) and not has_end and all(statuses.get(name) in SUCCEEDED for name in licensed_ids)
    )


def apply_events(licence_key: str | None, agreement_id: str | None) -> None:
    """Apply the stored events to the chain of an agreement and licence. Call it under `lock_marketplace`.

    All licences of a chain belong to the team of the licence that was claimed last. Good licences are applied
    first, so that a renewal does not change the state of its team twice.
    """
    if agreement_id:
        _update_agreement(agreement_id)
    key_agreement = select(Licence.agreement_id).where(Licence.key == licence_key)
    agreement_ids = chain_of({name for name in (agreement_id, db.session.scalar(key_agreement)) if name})
    licences = licences_of(agreement_ids, licence_key)
    claimed = [(row.claimed_at, row.id, row.team_id) for row in licences if row.team_id and row.claimed_at]
    team = db.session.get(Team, max(claimed)[2]) if claimed else None
    _lock_teams(licences, team)
    statuses = set(
        db.session.scalars(select(Agreement.status).where(Agreement.agreement_id.in_(agreement_ids)))
    )
    is_followed = bool(statuses - SUCCEEDED - {UNKNOWN, ""})
    results = [(licence, _reduce(licence, is_followed)) for licence in licences]
    for licence, reduced in sorted(results, key=lambda result: result[1].state not in GOOD):
        if reduced != ReducedState(LicenceState(licence.state), licence.since_at, licence.ends_at):
            reason = f"AWS Marketplace reported the licence as {reduced.state}."
            set_aws_state(licence, reduced.state, reduced.since_at, reduced.ends_at, reason=reason)
        if team and licence.team_id is None:
            connect_to_team(licence, team, by=None)


def claim_chain(licence: Licence, team: Team, *, by: User, client: Client) -> bool:
    """Connect a licence, and the unclaimed licences of its chain, to a team of the buyer.

    Returns whether the licence was unclaimed before. Raises Conflict for a licence of another team.
    """
    lock_marketplace()
    db.session.refresh(licence)
    agreement_ids = chain_of({licence.agreement_id} if licence.agreement_id else ())
    _lock_teams(licences_of(agreement_ids, licence.key), team)
    is_first = connect_to_team(licence, team, by=by, client=client)
    apply_events(licence.key, licence.agreement_id)
    return is_first


def _lock_teams(licences: Sequence[Licence], team: Team | None) -> None:
    for team_id in sorted({row.team_id for row in licences if row.team_id} | ({team.id} if team else set())):
        lock_team(team_id)


def _reduce(licence: Licence, is_followed: bool) -> ReducedState:
    """Return the state of a licence by its events, and complete its AWS account from them."""
    conditions = [MarketplaceEvent.licence_key == licence.key]
    if licence.agreement_id:
        # An agreement may have several licences. Events about one licence do not apply to the others, even if
        # they do not name the licence.
        is_of_all = MarketplaceEvent.licence_key.is_(None) & MarketplaceEvent.kind.not_in(OF_ONE_LICENCE)
        conditions.append((MarketplaceEvent.agreement_id == licence.agreement_id) & is_of_all)
    events = reload_rows(select(MarketplaceEvent).where(or_(*conditions)))
    accounts = sorted(filter(None, (account_in(event.detail) for event in events)))
    licence.aws_account = licence.aws_account or (accounts[0] if accounts else "")
    facts = [
        Fact(
            event.kind,
            event.at,
            status_in(event.detail),
            requested_at=event.received_at,
            starts_at=time_in(_agreement_in(event), "startTime"),
            ends_at=time_in(_agreement_in(event), "endTime"),
        )
        for event in events
    ]
    unchanged = ReducedState(LicenceState(licence.state), licence.since_at, licence.ends_at)
    return reduce(facts, is_followed=is_followed) or unchanged


def _update_agreement(agreement_id: str) -> None:
    """Update an agreement from its events in chronological order; add it if it is new."""
    agreement = db.session.get(Agreement, agreement_id, populate_existing=True)
    if agreement is None:
        agreement = Agreement(agreement_id=agreement_id, status="")
        db.session.add(agreement)
    events = reload_rows(select(MarketplaceEvent).where(MarketplaceEvent.agreement_id == agreement_id))
    agreement.advisory = ""
    # A repeated response about an agreement counts as of the last time.
    times = {event.event_id: event.received_at if event.kind == RECONCILED else event.at for event in events}
    for event in sorted(events, key=lambda event: (times[event.event_id], event.event_id)):
        details = _agreement_in(event)
        agreement.status = status_in(event.detail) or agreement.status
        agreement.starts_at = time_in(details, "startTime") or agreement.starts_at
        agreement.ends_at = time_in(details, "endTime") or agreement.ends_at
        agreement.previous_id = ascii_text(details.get("previousAgreementId")) or agreement.previous_id
        agreement.initial_id = ascii_text(details.get("initialAgreementId")) or agreement.initial_id
        if event.kind in (ADVISORY_ISSUED, ADVISORY_RESOLVED):
            agreement.advisory = _FLAG if event.kind == ADVISORY_ISSUED else ""
    db.session.flush()


def _agreement_in(event: MarketplaceEvent) -> dict[str, object]:
    member = event.detail.get("agreement")
    return member if isinstance(member, dict) else {}

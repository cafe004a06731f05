"""Registration of buyers: resolve the buyer at AWS, store a claim, connect the licence to a team."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, select, update

from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict, Gone, ValidationFailed
from reflow_accounts.mail.service import post
from reflow_accounts.marketplace.aws_client import resolve_customer
from reflow_accounts.marketplace.chains import (
    awaits_renewal,
    chain_of,
    claim_chain,
    licences_of,
    lock_marketplace,
)
from reflow_accounts.marketplace.events import register
from reflow_accounts.marketplace.models import Claim
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.subscriptions.status import current_state
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import add_team, addresses_of_admins, admin_membership_of, memberships_of
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

LIFETIME = timedelta(hours=24)
FREE_TRIAL = "free-trial"
_SECRET_BYTES = 32


class ForeignProduct(Exception):
    """The purchase is for another product of the same seller."""


def begin(settings: AwsSettings, token: str, offer_type: str) -> str:
    """Resolve a registration token at AWS and return the secret of a new claim, which is valid for a day.

    A repeated token leads to the same licence. Raises ForeignProduct, and the errors of `resolve_customer`.
    """
    customer = resolve_customer(settings, token)
    if customer.product_code != settings.product_code:
        raise ForeignProduct(
            f"its product is {customer.product_code}, and REFLOW_AWS_PRODUCT_CODE is {settings.product_code}."
        )
    licence = register(customer, is_trial=offer_type == FREE_TRIAL)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    db.session.add(Claim(digest=digest_of(secret), licence_id=licence.id, expires_at=now() + LIFETIME))
    db.session.flush()
    return secret


def find_claim(secret: str | None) -> Claim | None:
    """Return the claim with this secret, used or not; None if there is none or it has expired."""
    if not secret or len(secret) > 100:
        return None
    query = select(Claim).where(Claim.digest == digest_of(secret), Claim.expires_at > now())
    return db.session.scalar(query)


def is_unconnected(secret: str | None) -> bool:
    """Return whether there is a claim with this secret whose licence has no team."""
    claim = find_claim(secret)
    return claim is not None and team_that_has(claim) is None


def has_ended(claim: Claim) -> bool:
    """Return whether AWS has ended the purchase of a claim and each renewal of it, and no renewal is awaited."""
    licence, moment = claim.licence, now()
    agreements = chain_of({licence.agreement_id}) if licence.agreement_id else ()
    licences = licences_of(agreements, licence.key)
    is_over = all(current_state(each, moment) == LicenceState.ENDED for each in licences)
    return is_over and not awaits_renewal(licence)


def teams_of_admin(user: User) -> list[Team]:
    """Return the teams of which the user is Admin, and which can therefore get the subscription."""
    return [membership.team for membership in memberships_of(user) if membership.rights == Rights.ADMIN]


def team_that_has(claim: Claim) -> Team | None:
    """Return the team of the licence of a claim, or None."""
    team_id = claim.licence.team_id
    return db.session.get(Team, team_id) if team_id else None


def connect(claim: Claim, team_id: str, team_name: str, *, by: User, client: Client) -> Team:
    """Connect the licence of a claim to a team of the user, or to a new team when `team_id` is empty.

    Connecting it to the same team again has no effect. Raises ValidationFailed for an invalid name, NotFound
    or InsufficientRights if the user is not Admin of the team, Conflict if the licence has another team, and
    Gone if the claim has expired.
    """
    if claim.expires_at <= now():
        raise Gone("This registration has expired.")
    # Must precede the lock of a team (see `lock_marketplace`).
    lock_marketplace()
    db.session.refresh(claim.licence)
    if not team_id and not team_name.strip():
        raise ValidationFailed(team_name="Enter a team name")
    if team_id:
        team = admin_membership_of(by, team_id).team
    else:
        if team_that_has(claim):
            raise Conflict("This AWS Marketplace subscription is connected already.")
        team = add_team(team_name, by)
    is_first = claim_chain(claim.licence, team, by=by, client=client)
    statement = update(Claim).where(Claim.licence_id == claim.licence_id, Claim.claimed_at.is_(None))
    db.session.execute(statement.values(claimed_at=now()))
    if is_first:
        facts = {
            "team": team.name,
            "team_id": team.public_id,
            "who": by.full_name,
            "state": _state_for_mail(claim, team),
        }
        for address in addresses_of_admins(team):
            post("subscription_connected", address, **facts)
    return team


def _state_for_mail(claim: Claim, team: Team) -> str:
    """Return what a connected purchase is worth now, for the mail about it."""
    status = status_of(team)
    if status.is_active:
        return "active"
    return "off" if status.override else "ended" if has_ended(claim) else "pending"


def prune_claims() -> None:
    """Delete expired claims. Their licences stay."""
    db.session.execute(delete(Claim).where(Claim.expires_at <= now()))

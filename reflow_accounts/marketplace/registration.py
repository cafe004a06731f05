"""A buyer's registration: who bought, told by AWS; a claim that their browser holds; a team that takes it."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, select, update

from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict, Gone, ValidationFailed
from reflow_accounts.mail.service import post
from reflow_accounts.marketplace.aws_client import resolve_customer
from reflow_accounts.marketplace.events import register
from reflow_accounts.marketplace.models import Claim
from reflow_accounts.subscriptions.licences import claim
from reflow_accounts.teams.models import Membership, Rights, Team
from reflow_accounts.teams.service import add_team, addresses_of_admins, ensure_rights, membership_of
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

LIFETIME = timedelta(hours=24)
FREE_TRIAL = "free-trial"
_SECRET_BYTES = 32


class ForeignProduct(Exception):
    """The purchase is of another product of the same seller."""


def begin(settings: AwsSettings, token: str, offer_type: str) -> str:
    """Ask AWS who stands behind a registration token; return the secret that names the claim for a day.

    The same token, sent again, leads to the same licence. Raises what `aws.resolve_customer` raises, and
    ForeignProduct.
    """
    customer = resolve_customer(settings, token)
    if customer.product_code != settings.product_code:
        raise ForeignProduct
    licence = register(customer, is_trial=offer_type == FREE_TRIAL)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    db.session.add(Claim(digest=digest_of(secret), licence_id=licence.id, expires_at=now() + LIFETIME))
    db.session.flush()
    return secret


def find_claim(secret: str | None) -> Claim | None:
    """Return the claim that a browser holds the secret of, also one that was used; None for any other."""
    if not secret or len(secret) > 100:
        return None
    query = select(Claim).where(Claim.digest == digest_of(secret), Claim.expires_at > now())
    return db.session.scalar(query)


def teams_of_admin(user: User) -> list[Team]:
    """List the teams that the user may connect a subscription to."""
    query = (
        select(Team)
        .join(Membership, Membership.team_id == Team.id)
        .where(Membership.user_id == user.id, Membership.rights == Rights.ADMIN)
    )
    return list(db.session.scalars(query.order_by(Membership.created_at, Team.id)))


def team_that_has(found: Claim) -> Team | None:
    """Return the team that the claim's licence belongs to already."""
    team_id = found.licence.team_id
    return db.session.get(Team, team_id) if team_id else None


def connect(found: Claim, team_id: str, team_name: str, *, by: User, client: Client) -> Team:
    """Connect the claim's licence to a team of the user's, or, when `team_id` is empty, to a new one.

    For the same team again it is harmless. Raises ValidationFailed for no usable name, NotFound and
    InsufficientRights for a team that the user is no Admin of, Conflict when another team was faster, and
    Gone when the claim ran out.
    """
    if found.expires_at <= now():
        raise Gone("This registration ran out.")
    if not team_id and not team_name.strip():
        raise ValidationFailed(team_name="Enter a team name")
    if team_id:
        membership = membership_of(by, team_id)
        ensure_rights(membership, Rights.ADMIN)
        team = membership.team
    else:
        taken = team_that_has(found)
        if taken:
            raise Conflict("This AWS Marketplace subscription is connected already.")
        team = add_team(team_name, by)
    is_first = claim(found.licence, team, by=by, client=client)
    used = update(Claim).where(Claim.licence_id == found.licence_id, Claim.claimed_at.is_(None))
    db.session.execute(used.values(claimed_at=now()))
    if is_first:
        _confirm(team, by)
    return team


def prune_claims() -> None:
    """Delete claims that ran out. Their licences stay: AWS will speak of them again."""
    db.session.execute(delete(Claim).where(Claim.expires_at <= now()))
    db.session.commit()


def _confirm(team: Team, by: User) -> None:
    """Mail the team's Admins, who connected it among them, that it is done."""
    for address in addresses_of_admins(team):
        post("subscription_connected", address, team=team.name, who=by.full_name, team_id=team.public_id)

"""People, service accounts and keys as support sees them, and what support does to them."""

from sqlalchemy import func, or_, select
from sqlalchemy.orm import joinedload

from reflow_accounts.api_keys import service as api_keys
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db
from reflow_accounts.errors import InsufficientRights, NotFound, ValidationFailed
from reflow_accounts.mail.service import post
from reflow_accounts.support.service import MOST_RESULTS
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.service import addresses_of_admins
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users import admin
from reflow_accounts.users.models import User, UserKind
from reflow_accounts.web import text
from reflow_accounts.web.redaction import holds_secret
from reflow_accounts.web.request_info import Client

LONGEST_REASON = 500


def find_people(words: str) -> list[User]:
    """List up to 50 users, by name: by their name, id or e-mail address. No words, or a secret: nobody."""
    wanted = text.tidy(words)
    if not wanted or holds_secret(words):
        return []
    query = select(User).where(
        User.deleted_at.is_(None),
        or_(
            User.full_name.icontains(wanted, autoescape=True),
            User.email.icontains(wanted, autoescape=True),
            User.public_id == wanted,
        ),
    )
    return list(db.session.scalars(query.order_by(func.lower(User.full_name), User.id).limit(MOST_RESULTS)))


def user_of(public_id: str) -> User:
    """Return a user, deleted ones too: what they did stays. Raises NotFound."""
    user = db.session.scalar(select(User).where(User.public_id == public_id))
    if user is None:
        raise NotFound("There is no user with this id.")
    return user


def key_of(public_id: str) -> ApiKey:
    """Return anybody's key. Raises NotFound."""
    key = db.session.scalar(select(ApiKey).where(ApiKey.public_id == public_id))
    if key is None:
        raise NotFound("There is no key with this id.")
    return key


def live_sessions_of(user: User) -> list[UserSession]:
    """List the sessions of a user that have not ended, the one used last first."""
    query = select(UserSession).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    return list(db.session.scalars(query.order_by(UserSession.last_active_at.desc()).limit(MOST_RESULTS)))


def memberships_with_teams(user: User) -> list[Membership]:
    """List a user's memberships with their teams."""
    query = select(Membership).where(Membership.user_id == user.id).options(joinedload(Membership.team))
    return list(db.session.scalars(query.order_by(Membership.created_at, Membership.team_id)))


def look_at(user: User, *, by: User, client: Client) -> None:
    """Write down that staff looked at a user's data."""
    record(Action.USER_VIEWED, by=by, account=user, subject=user.full_name, address=client.address)
    db.session.flush()


def look_up(secret: str, *, by: User, client: Client) -> ApiKey | None:
    """Return the key that somebody handed to support, and write down that it was looked up.

    Only its checksum and digest are looked at. It is neither kept nor repeated.
    """
    found = api_keys.find_by_secret(secret.strip())
    record(
        Action.SUPPORT_SEARCHED,
        by=by,
        account=found.user if found else None,
        subject=found.name if found else "an unknown API key",
        address=client.address,
        key=found.public_id if found else None,
    )
    db.session.flush()
    return found


def end_sessions(user: User, reason: str, *, by: User) -> int:
    """End every session of a user; return how many there were. Raises ValidationFailed for no reason."""
    refuse_oneself(user, by=by)
    return admin.sign_out(user, reason, by=by)


def revoke_key(key: ApiKey, reason: str, *, by: User, client: Client) -> bool:
    """Revoke a user's key and mail why to its owner; say whether it was live until now.

    A service account has no mail: the Admins of its team get it. Raises ValidationFailed for no reason.
    """
    refuse_oneself(key.user, by=by)
    words = text.tidy(reason)
    fault = text.fault_of(words, LONGEST_REASON, empty="Enter a reason")
    if fault:
        raise ValidationFailed(reason=fault)
    was_live = api_keys.revoke(key, by=by, client=client, reason=words)
    if was_live:
        for address in _to_tell(key.user):
            post("key_revoked", address, key=key.name, owner=key.user.full_name, reason=words)
    return was_live


def refuse_oneself(user: User, *, by: User) -> None:
    """Raise InsufficientRights when staff would act on themselves here, where a reason is all that is asked."""
    if user.id == by.id:
        raise InsufficientRights(
            "This is your own account: change it in Account, or ask somebody else in support."
        )


def _to_tell(owner: User) -> list[str]:
    if owner.kind == UserKind.PERSON:
        return [owner.email] if owner.email else []
    return addresses_of_admins(owning_team(owner))

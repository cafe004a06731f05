"""Restores a key that its owner revoked less than 24 hours ago."""

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.api_keys.acts import mail_owner, record_act
from reflow_accounts.api_keys.models import RESTORABLE_FOR, ApiKey, KeyRefusal, Revocation
from reflow_accounts.api_keys.service import name_in_use
from reflow_accounts.audit.actions import Action
from reflow_accounts.contract import Code
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import Conflict
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import lock_as_admin
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client

_REASONS: dict[str | None, str] = {
    Revocation.SUPPORT: "Support revoked this key, so it cannot be restored. Create a new one.",
    Revocation.LEAK: "This key was revoked because it was found in public, so it cannot be restored. Create a new one.",
    Revocation.DELETION: "This key was revoked with its account, so it cannot be restored.",
    None: "It is not known why this key was revoked, so it cannot be restored. Create a new one.",
}


def restore(key: ApiKey, *, by: User, client: Client, team: Team | None = None) -> None:
    """Restore a revoked key for every request that begins after the commit, and mail its owner.

    Only this key: keys that were revoked with it stay revoked. `team` is that of the service account that owns the
    key; only its Admins may. Raises Conflict with a sentence unless `key.restorable_until` allows it, and when
    another live key has taken its name.
    """
    if team:
        lock_as_admin(team, by)
    at = now()
    is_restorable = (
        ApiKey.revoked_for == Revocation.OWNER,
        ApiKey.revoked_at > at - RESTORABLE_FOR,
        ApiKey.expires_at.is_(None) | (ApiKey.expires_at > at),
    )
    restored = update(ApiKey).where(ApiKey.id == key.id, *is_restorable)
    name = key.name
    try:
        with db.session.begin_nested():
            was_restored = affected_rows(restored.values(revoked_at=None, revoked_for=None))
    except IntegrityError:
        whose = "You have" if key.user.is_person else f"{key.user.full_name} has"
        raise Conflict(
            f"{whose} another key named {name_in_use(key.user, name)} meanwhile. "
            "Rename that one, then restore this one."
        ) from None
    db.session.refresh(key)
    if not was_restored:
        raise Conflict(_why_not(key))
    refused = db.session.scalar(
        select(KeyRefusal.count).where(KeyRefusal.key_id == key.id, KeyRefusal.code == Code.REVOKED_KEY)
    )
    record_act(Action.KEY_RESTORED, key, by, client, refused=str(refused or 0))
    mail_owner(
        key,
        "key_restored",
        by=by.full_name,
        at=exact(at),
        device=client.device,
        address=client.address,
        refused=refused or 0,
    )


def _why_not(key: ApiKey) -> str:
    if key.revoked_at is None:
        return "This key is not revoked."
    if key.revoked_for != Revocation.OWNER:
        return _REASONS[key.revoked_for]
    if key.has_expired:
        return "This key has expired meanwhile, so it cannot be restored. Create a new one."
    hours = RESTORABLE_FOR // timedelta(hours=1)
    return f"This key was revoked more than {hours} hours ago, so it cannot be restored. Create a new one."

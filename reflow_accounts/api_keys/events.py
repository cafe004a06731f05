"""Audit-log entries and mails about actions on keys."""

from datetime import timedelta
from typing import Any

from reflow_accounts.api_keys.models import ApiKey, KeyOrigin
from reflow_accounts.api_keys.usage.clients import network_of
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import Actor, record
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.database import db, now, upsert
from reflow_accounts.mail.service import post, post_in_batch
from reflow_accounts.teams.service import addresses_of_admins
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users.models import User
from reflow_accounts.web.filters import exact
from reflow_accounts.web.request_info import Client

# Keys created within this time of the first one share its mail.
MAIL_BATCH = timedelta(seconds=30)


def record_action(action: Action, key: ApiKey, by: Actor, client: Client, **details: str) -> None:
    """Record an action on a key; the owning team of a service account also sees it."""
    record(
        action,
        by=by,
        account=key.user,
        team=None if key.user.is_person else owning_team(key.user),
        subject=key.name,
        address=client.address,
        key=key.public_id,
        **details,
    )


def addresses_for(owner: User) -> list[str]:
    """Return the address of a person, or those of the Admins for a service account."""
    if owner.is_person:
        return [owner.email] if owner.email else []
    return addresses_of_admins(owning_team(owner))


def mail_owner(key: ApiKey, kind: str, **data: Any) -> None:
    """Post a mail of this kind about a key to the addresses of its owner."""
    owner = key.user
    facts = {
        "key": key.name,
        "hint": key.masked_secret,
        "owner": owner.full_name,
        "is_account": not owner.is_person,
        "team_id": None if owner.is_person else owning_team(owner).public_id,
    }
    for address in addresses_for(owner):
        post(kind, address, **facts, **data)


def report_creation(
    key: ApiKey, *, by: User, client: Client, created_by: ApiKey | None, replaced: ApiKey | None = None
) -> None:
    """Queue a mail about a new key unless `by` has created keys from this network and with this credential before.

    The mail goes to the owner; for a service account to the Admins of its team. It lists all keys of the owner that
    are created within MAIL_BATCH. A credential is the key `created_by`, or the program and system of a session. When
    a known key replaces itself, the new key becomes known.
    """
    credential = f"key {created_by.public_id}" if created_by else f"device {client.device}"
    is_new = _is_new(by, f"network {network_of(client.address)}", credential)
    if created_by and replaced == created_by:
        _is_new(by, f"key {key.public_id}")
    item = {
        "name": key.name,
        "at": exact(now()),
        "by": by.full_name,
        "key": created_by.name if created_by else "",
        "device": client.device,
        "address": client.address,
        "account": "" if key.user.is_person else key.user.full_name,
        "team_id": None if key.user.is_person else owning_team(key.user).public_id,
    }
    for to in addresses_for(key.user):
        post_in_batch("keys_created", to, key.user.public_id, item, delay=MAIL_BATCH, may_begin=is_new)


def _is_new(user: User, *origins: str) -> bool:
    """Store the origins of a key; return whether any of them is new. Of concurrent calls one returns True."""
    rows = [{"user_id": user.id, "digest": digest_of(origin)} for origin in sorted(origins)]
    insertion = upsert(db.session.get_bind().dialect, KeyOrigin).on_conflict_do_nothing()
    statement = insertion.returning(KeyOrigin.digest)
    return any([db.session.execute(statement.values(row)).all() for row in rows])  # noqa: C419  # add all of them

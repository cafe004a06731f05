"""Records acts on keys in the audit log, and mails about them."""

from typing import Any

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import Actor, record
from reflow_accounts.database import db
from reflow_accounts.mail.service import post
from reflow_accounts.teams.service import addresses_of_admins
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client


def record_act(action: Action, key: ApiKey, by: Actor, client: Client, **details: str) -> None:
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
    db.session.flush()


def addresses_for(owner: User) -> list[str]:
    """Return the address of a person, or those of the Admins for a service account."""
    if owner.is_person:
        return [owner.email] if owner.email else []
    return addresses_of_admins(owning_team(owner))


def mail_owner(key: ApiKey, kind: str, **data: Any) -> None:
    """Post a mail of this kind about a key to its owner, with the names of both and the hint of the key."""
    for address in addresses_for(key.user):
        post(kind, address, key=key.name, hint=key.recognisable, owner=key.user.full_name, **data)

"""The blueprint of this room, which the modules beside this one fill, and what they share."""

from typing import Any

from flask import Blueprint

from reflow_accounts.errors import ValidationFailed
from reflow_accounts.identity.caller import me
from reflow_accounts.service_accounts.forms import AccountForm
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.teams.service import ensure_rights, membership_of

pages = Blueprint("service_accounts", __name__, url_prefix="/teams/<team_id>")


def membership_in(team_id: str) -> Membership:
    """Return the membership of who is signed in. Raises NotFound for somebody else's team."""
    return membership_of(me(), team_id)


def admin_of(team_id: str) -> Membership:
    """Return the same for an Admin. Raises InsufficientRights for the others."""
    membership = membership_in(team_id)
    ensure_rights(membership, Rights.ADMIN)
    return membership


def around(membership: Membership) -> dict[str, Any]:
    """Return what every page of this room is given."""
    return {"tab": "team", "membership": membership}


def wanted_rights(form: AccountForm) -> Rights:
    """Return the rights that were chosen. Raises ValidationFailed unless they are rights at all."""
    if form.rights.data not in list(Rights):
        raise ValidationFailed(rights="Choose View or Edit")
    return Rights(form.rights.data)

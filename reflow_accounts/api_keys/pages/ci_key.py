"""The page that creates a service account with a key for CI and shows how to use the key."""

from typing import Any

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.api_keys.forms import CiKeyForm
from reflow_accounts.api_keys.pages.shared import list_url_of
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, SubscriptionInactive, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.service import admin_membership_of
from reflow_accounts.web.redirects import origin
from reflow_accounts.web.request_info import client
from reflow_accounts.web.text import zone_of

PROPOSED_KEY_NAME = "ci"

blueprint = Blueprint("ci_key", __name__, url_prefix="/teams/<team_id>/ci-key")


@blueprint.get("")
def new(team_id: str) -> ResponseReturnValue:
    """Show the form for a service account and its key."""
    membership = admin_membership_of(current_user(), team_id)
    if not status_of(membership.team).is_active:
        return _page("ci_key_inactive", membership), SubscriptionInactive.status
    name = service_accounts.proposed_name(membership.team)
    return _page("ci_key", membership, form=CiKeyForm(formdata=None, name=name, key_name=PROPOSED_KEY_NAME))


@blueprint.post("")
def create(team_id: str) -> ResponseReturnValue:
    """Create the service account and its key, and show the secret once."""
    ensure_recent_proof()
    membership = admin_membership_of(current_user(), team_id)
    rate_limits.hit("create-key", account=current_user().public_id)
    form = CiKeyForm()
    name, key_name, nonce = (form[field].data or "" for field in ("name", "key_name", "nonce"))
    try:
        key, secret = service_accounts.create_with_key(
            membership.team,
            name,
            form.chosen_rights,
            key_name,
            nonce,
            by=current_user(),
            client=client(),
            expires_at=form.expires_at(zone_of(current_user().time_zone)),
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page("ci_key", membership, form=form), failed.status
    except SubscriptionInactive as refused:
        db.session.rollback()
        return _page("ci_key_inactive", membership), refused.status
    except Conflict as conflict:
        db.session.rollback()
        return _page("ci_key_repeated", membership, sentence=str(conflict)), conflict.status
    db.session.commit()
    more = {"done_url": list_url_of(key.user), "server": origin()}
    return _page("ci_key_created", membership, key=key, secret=secret, **more)


def _page(name: str, membership: Membership, **more: Any) -> str:
    return render_template(f"api_keys/{name}.html", tab="team", membership=membership, **more)

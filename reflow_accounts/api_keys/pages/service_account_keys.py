"""The keys of a service account, which the Admins of its team manage."""

from flask import Blueprint, url_for

from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.pages import key_page, lost_responses, shared
from reflow_accounts.api_keys.pages.shared import Answer, Context, template_context
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.teams.service import admin_membership_of
from reflow_accounts.teams.service_accounts import live_account_of, rights_of
from reflow_accounts.web.redirects import origin

blueprint = Blueprint(
    "service_account_keys", __name__, url_prefix="/teams/<team_id>/service-accounts/<account_id>"
)


@blueprint.get("")
def show(team_id: str, account_id: str) -> Answer:
    """Show a service account with its keys."""
    context = _context(team_id, account_id)
    more = {"rights": rights_of(context["owner"]), "server": origin()}
    return shared.show("api_keys/service_account.html", context, **more)


@blueprint.get("/keys/new")
def new_key(team_id: str, account_id: str) -> Answer:
    """Show the form for a new key."""
    return shared.ask_for_name(_context(team_id, account_id), KeyForm(formdata=None))


@blueprint.post("/keys")
def create_key(team_id: str, account_id: str) -> Answer:
    """Create a key and show its secret once."""
    return shared.create(_context(team_id, account_id), KeyForm())


@blueprint.get("/keys/<key_id>/revocation")
def revocation(team_id: str, account_id: str, key_id: str) -> Answer:
    """Ask for confirmation before a key is revoked."""
    return shared.ask_to_revoke(_context(team_id, account_id), key_id)


@blueprint.post("/keys/<key_id>/revocation")
def revoke_key(team_id: str, account_id: str, key_id: str) -> Answer:
    """Revoke a key."""
    return shared.revoke(_context(team_id, account_id), key_id)


@blueprint.get("/keys/<key_id>/rotation")
def rotation(team_id: str, account_id: str, key_id: str) -> Answer:
    """Ask how long the old key should work after a rotation."""
    return shared.ask_to_rotate(_context(team_id, account_id), key_id)


@blueprint.post("/keys/<key_id>/rotation")
def rotate_key(team_id: str, account_id: str, key_id: str) -> Answer:
    """Rotate a key and show the secret of the new one once."""
    return shared.rotate_key(_context(team_id, account_id), key_id)


@blueprint.get("/keys/<key_id>")
def show_key(team_id: str, account_id: str, key_id: str) -> Answer:
    """Show one key."""
    return key_page.show_key(_context(team_id, account_id), key_id)


@blueprint.post("/keys/<key_id>/restoration")
def restore_key(team_id: str, account_id: str, key_id: str) -> Answer:
    """Restore a revoked key."""
    return key_page.restore_key(_context(team_id, account_id), key_id)


@blueprint.get("/keys/<key_id>/replacement")
def ask_to_replace(team_id: str, account_id: str, key_id: str) -> Answer:
    """Offer to replace a key whose secret was never shown."""
    return lost_responses.ask_to_replace(_context(team_id, account_id), key_id)


@blueprint.post("/keys/<key_id>/replacement")
def replace(team_id: str, account_id: str, key_id: str) -> Answer:
    """Replace a key whose secret was never shown, and show the new secret once."""
    return lost_responses.replace(_context(team_id, account_id), key_id)


def _context(team_id: str, account_id: str) -> Context:
    """Return the context of an Admin's pages of a service account that is not deleted."""
    membership = admin_membership_of(current_user(), team_id)
    account = live_account_of(membership.team, account_id)
    list_url = url_for("account.service_account_keys.show", team_id=team_id, account_id=account_id)
    context = template_context(
        account,
        tab="team",
        list_url=list_url,
        keys_url=f"{list_url}/keys",
        activity_url=url_for("account.activity.index", account=account_id, team=team_id),
    )
    return context | {"membership": membership, "account": account}

"""The keys of a service account, which the Admins of its team manage."""

from flask import Blueprint, url_for

from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.pages import key_page, shared
from reflow_accounts.api_keys.pages.shared import Answer, Context
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


def _context(team_id: str, account_id: str) -> Context:
    """Return the context of an Admin's pages of a service account that is not deleted."""
    membership = admin_membership_of(current_user(), team_id)
    account = live_account_of(membership.team, account_id)
    list_url = url_for("account.service_account_keys.show", team_id=team_id, account_id=account_id)
    return {
        "owner": account,
        "is_own": False,
        "tab": "team",
        "list_url": list_url,
        "keys_url": f"{list_url}/keys",
        "activity_url": url_for("account.activity.index", account=account_id, team=team_id),
        "membership": membership,
        "account": account,
    }


key_page.add_views(blueprint, "/keys", _context)

"""The API Keys tab: a person's own keys."""

from flask import Blueprint, url_for
from wtforms.fields.choices import SelectChoice

from reflow_accounts.api_keys.forms import OwnKeyForm
from reflow_accounts.api_keys.pages import key_page, shared
from reflow_accounts.api_keys.pages.shared import Answer, Context
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import current_among, memberships_of
from reflow_accounts.teams.service_accounts import usable_accounts_of
from reflow_accounts.users.models import User

blueprint = Blueprint("api_keys", __name__, url_prefix="/api-keys")


@blueprint.get("")
def index() -> Answer:
    """List the keys."""
    return shared.show("api_keys/index.html", _context())


@blueprint.get("/new")
def new() -> Answer:
    """Show the form for a new key."""
    return shared.ask_for_name(_context(), _form(usable_accounts_of(current_user()), formdata=None))


@blueprint.post("")
def create() -> Answer:
    """Create a key and show its secret once."""
    accounts = usable_accounts_of(current_user())
    return shared.create(_context(), _form(accounts), {user.public_id: user for _, user in accounts})


def _context() -> Context:
    owner, list_url = current_user(), url_for("account.api_keys.index")
    mine = memberships_of(owner)
    administered = [membership for membership in mine if membership.rights == Rights.ADMIN]
    if len(administered) > 1:
        # If the current team is among them, only that team is offered a key for CI.
        current = current_among(mine)
        administered = [found for found in administered if found == current] or administered
    return {
        "owner": owner,
        "is_own": True,
        "tab": "api-keys",
        "list_url": list_url,
        "keys_url": list_url,
        "activity_url": url_for("account.activity.index"),
        "ci_teams": [membership.team for membership in administered],
    }


key_page.add_views(blueprint, "", _context)


def _form(accounts: list[tuple[Team, User]], **options: None) -> OwnKeyForm:
    """Return the form, with these service accounts as further owners to choose from."""
    form, has_one_team = OwnKeyForm(**options), len({team.id for team, _ in accounts}) == 1
    form.owner.choices += [
        SelectChoice(user.public_id, user.full_name if has_one_team else f"{user.full_name} ({team.name})")
        for team, user in accounts
    ]
    return form

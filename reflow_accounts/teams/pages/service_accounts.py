"""The section "Service accounts": list, create, edit, disable, delete."""

from typing import Any

from flask import Blueprint, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Gone, ValidationFailed
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.forms import AccountForm
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.service import admin_membership_of, membership_of
from reflow_accounts.users.models import User
from reflow_accounts.web import htmx
from reflow_accounts.web.request_info import client

blueprint = Blueprint("service_accounts", __name__, url_prefix="/teams/<team_id>")

FLASH_CATEGORY = "service-accounts"


@blueprint.get("/service-accounts")
def index(team_id: str) -> ResponseReturnValue:
    """Redirect to the service accounts on the Team tab."""
    return redirect(_section_url(membership_of(current_user(), team_id)))


@blueprint.get("/service-accounts/new")
def new(team_id: str) -> ResponseReturnValue:
    """Show the form for a new service account."""
    membership = admin_membership_of(current_user(), team_id)
    return _page("new", membership, form=AccountForm(formdata=None))


@blueprint.post("/service-accounts")
def create(team_id: str) -> ResponseReturnValue:
    """Create a service account."""
    ensure_recent_proof()
    membership = admin_membership_of(current_user(), team_id)
    form = AccountForm()
    try:
        account = accounts.create(
            membership.team, form.name.data or "", form.chosen_rights, by=current_user(), client=client()
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page("new", membership, form=form), failed.status
    db.session.commit()
    return _respond_changed(membership, f"Service account {account.full_name} created.")


@blueprint.get("/service-accounts/<account_id>/settings")
def settings(team_id: str, account_id: str) -> ResponseReturnValue:
    """Show the form for name and rights of a service account."""
    membership = admin_membership_of(current_user(), team_id)
    account = accounts.live_account_of(membership.team, account_id)
    return _page("settings", membership, account=account, form=_settings_form(account))


@blueprint.post("/service-accounts/<account_id>/settings")
def change(team_id: str, account_id: str) -> ResponseReturnValue:
    """Save what was changed of the name and the rights of a service account."""
    ensure_recent_proof()
    membership = admin_membership_of(current_user(), team_id)
    account = accounts.live_account_of(membership.team, account_id)
    form = _settings_form(account)
    try:
        changes = form.changes()
        accounts.change(
            membership.team,
            account,
            name=changes.get("name"),
            rights=form.chosen_rights if "rights" in changes else None,
            by=current_user(),
            client=client(),
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page("settings", membership, account=account, form=form), failed.status
    db.session.commit()
    return _respond_changed(membership, f"Service account {account.full_name} saved.")


@blueprint.post("/service-accounts/<account_id>/status")
def set_disabled(team_id: str, account_id: str) -> ResponseReturnValue:
    """Disable a service account, or enable it again, which needs a recent proof: its keys work then."""
    requested = request.form.get("disabled")
    if requested != "true":
        ensure_recent_proof()
    membership = admin_membership_of(current_user(), team_id)
    account = accounts.live_account_of(membership.team, account_id)
    if requested not in ("true", "false"):
        raise ValidationFailed(disabled="Choose to disable or enable: go back and use the button again")
    disabled = requested == "true"
    accounts.set_disabled(membership.team, account, disabled, by=current_user(), client=client())
    db.session.commit()
    # The page shows that an account is disabled.
    if not disabled:
        flash(f"{account.full_name} is enabled. Its keys work again.", FLASH_CATEGORY)
    return redirect(
        url_for("account.service_account_keys.show", team_id=team_id, account_id=account.public_id), 303
    )


@blueprint.get("/service-accounts/<account_id>/deletion")
def deletion(team_id: str, account_id: str) -> ResponseReturnValue:
    """Ask before a service account is deleted."""
    membership = admin_membership_of(current_user(), team_id)
    account = accounts.account_of(membership.team, account_id)
    if account.deleted_at:
        return _page("already_deleted", membership, account=account, **_listing(membership)), Gone.status
    return _page("deletion", membership, row=service_accounts.row_of(account))


@blueprint.post("/service-accounts/<account_id>/deletion")
def delete(team_id: str, account_id: str) -> ResponseReturnValue:
    """Delete a service account. Repeating it changes nothing."""
    ensure_recent_proof()
    membership = admin_membership_of(current_user(), team_id)
    account = accounts.account_of(membership.team, account_id)
    was_there = service_accounts.delete(membership.team, account, by=current_user(), client=client())
    db.session.commit()
    message_text = "deleted. Its keys no longer work." if was_there else "was already deleted."
    return _respond_changed(membership, f"Service account {account.full_name} {message_text}")


def _settings_form(account: User) -> AccountForm:
    return AccountForm(name=account.full_name, rights=accounts.rights_of(account))


def _section_url(membership: Membership) -> str:
    """Return the URL of the section on the Team tab of the team."""
    return url_for("account.team.show", team=membership.team.public_id, _anchor="teams-service-accounts")


def _listing(membership: Membership) -> dict[str, Any]:
    return {"accounts": service_accounts.accounts_page(membership.team)}


def _page(name: str, membership: Membership, **more: Any) -> str:
    return render_template(f"teams/service_account_{name}.html", tab="team", membership=membership, **more)


def _respond_changed(membership: Membership, message: str) -> Response:
    """Return the updated section behind the dialog, or redirect to it."""
    if not htmx.is_part():
        flash(message, FLASH_CATEGORY)
        return redirect(_section_url(membership), 303)
    section = {"tab": "team", "membership": membership} | _listing(membership)
    page = render_template("teams/service_accounts_changed.html", **section, done=[message])
    return htmx.close_dialog(make_response(page), message)

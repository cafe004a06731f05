"""`/teams/<id>/service-accounts`: a team's service accounts. The after-request handler commits what these views do."""

from typing import Any

from flask import url_for

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.api_keys.service_accounts import ListedAccount
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.schemas import AccountChange, AccountOut, AccountsQuery, NewAccount
from reflow_accounts.teams.service import ensure_rights, membership_of
from reflow_accounts.users.models import User
from reflow_accounts.web.openapi import ApiBlueprint, page_of
from reflow_accounts.web.pagination import Page, Position, read_cursor
from reflow_accounts.web.request_info import client

service_accounts_blueprint = ApiBlueprint(
    "service-accounts", __name__, description="Users that a team owns and that are programs"
)

LIST = "/teams/<team_id>/service-accounts"
ONE = f"{LIST}/<account_id>"


@service_accounts_blueprint.route(LIST)
@service_accounts_blueprint.arguments(AccountsQuery, location="query")
@service_accounts_blueprint.response(200, page_of(AccountOut))
def list_service_accounts(query: dict[str, Any], team_id: str) -> Page[ListedAccount]:
    """List the service accounts of your team, newest first."""
    limit, before = query["limit"], Position.of(read_cursor(query.get("cursor"), 2))
    rows = service_accounts.listing_of(_team(team_id), limit=limit + 1, before=before)
    return Page.cut(rows, limit, service_accounts.place_of)


@service_accounts_blueprint.route(LIST, methods=["POST"])
@service_accounts_blueprint.arguments(NewAccount)
@service_accounts_blueprint.response(201, AccountOut)
def create_service_account(wanted: dict[str, Any], team_id: str) -> Any:
    """Make a service account. Needs Admin rights."""
    team = _team(team_id)
    account = accounts.create(
        team, wanted["name"], Rights(wanted["rights"]), by=current_user(), client=client()
    )
    location = url_for(
        "service-accounts.show_service_account", team_id=team.public_id, account_id=account.public_id
    )
    return service_accounts.listed(account), 201, {"Location": location}


@service_accounts_blueprint.route(ONE)
@service_accounts_blueprint.response(200, AccountOut)
def show_service_account(team_id: str, account_id: str) -> ListedAccount:
    """Show a service account."""
    return service_accounts.listed(accounts.live_account_of(_team(team_id), account_id))


@service_accounts_blueprint.route(ONE, methods=["PATCH"])
@service_accounts_blueprint.arguments(AccountChange)
@service_accounts_blueprint.response(200, AccountOut)
def change_service_account(wanted: dict[str, Any], team_id: str, account_id: str) -> ListedAccount:
    """Rename a service account, change its rights, disable or enable it. Needs Admin rights."""
    team, account = administered(team_id, account_id)
    rights = Rights(wanted["rights"]) if "rights" in wanted else None
    accounts.change(
        team,
        account,
        name=wanted.get("name"),
        rights=rights,
        disabled=wanted.get("disabled"),
        by=current_user(),
        client=client(),
    )
    return service_accounts.listed(accounts.live_account_of(team, account_id))


@service_accounts_blueprint.route(ONE, methods=["DELETE"])
@service_accounts_blueprint.response(204)
def delete_service_account(team_id: str, account_id: str) -> None:
    """Delete a service account and revoke its keys, at once and for good. Needs Admin rights."""
    team, account = administered(team_id, account_id)
    service_accounts.delete(team, account, by=current_user(), client=client())


def _team(team_id: str) -> Team:
    return membership_of(current_user(), team_id).team


def administered(team_id: str, account_id: str) -> tuple[Team, User]:
    """Return a team and a service account of it, also a deleted one. Raises InsufficientRights but for Admins."""
    membership = membership_of(current_user(), team_id)
    ensure_rights(membership, Rights.ADMIN)
    return membership.team, accounts.account_of(membership.team, account_id)

"""`/teams/<id>/service-accounts`: a team's service accounts and their keys. The API door commits."""

from typing import Any

from flask import url_for

from reflow_accounts.api_keys import service as api_keys
from reflow_accounts.api_keys.recorder import Tally
from reflow_accounts.api_keys.schemas import KeyChange, KeyOut, KeysQuery, NewKey, NewKeyOut
from reflow_accounts.api_keys.service import ListedKey
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.models import User
from reflow_accounts.service_accounts import service
from reflow_accounts.service_accounts.schemas import AccountChange, AccountOut, AccountsQuery, NewAccount
from reflow_accounts.service_accounts.service import ListedAccount
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Rights, Team
from reflow_accounts.teams.service import ensure_rights, membership_of
from reflow_accounts.web.client import client
from reflow_accounts.web.documents import ApiBlueprint, page_of
from reflow_accounts.web.paging import Page, Position, read_cursor

blueprint = ApiBlueprint(
    "service-accounts", __name__, description="Users that a team owns and that are programs"
)

LIST = "/teams/<team_id>/service-accounts"
ONE = f"{LIST}/<account_id>"
KEYS = f"{ONE}/keys"
KEY = f"{KEYS}/<key_id>"


@blueprint.route(LIST)
@blueprint.arguments(AccountsQuery, location="query")
@blueprint.response(200, page_of(AccountOut))
def list_accounts(query: dict[str, Any], team_id: str) -> Page[ListedAccount]:
    """List the service accounts of your team, newest first."""
    limit, before = query["limit"], Position.of(read_cursor(query.get("cursor"), 2))
    rows = service.listing_of(_team(team_id), limit=limit + 1, before=before)
    return Page.cut(rows, limit, service.place_of)


@blueprint.route(LIST, methods=["POST"])
@blueprint.arguments(NewAccount)
@blueprint.response(201, AccountOut)
def create_account(wanted: dict[str, Any], team_id: str) -> Any:
    """Make a service account. Needs Admin rights."""
    team = _team(team_id)
    account = accounts.create(team, wanted["name"], Rights(wanted["rights"]), by=me(), client=client())
    location = url_for("service-accounts.show_account", team_id=team.public_id, account_id=account.public_id)
    return service.listed(account), 201, {"Location": location}


@blueprint.route(ONE)
@blueprint.response(200, AccountOut)
def show_account(team_id: str, account_id: str) -> ListedAccount:
    """Show a service account."""
    return service.listed(accounts.live_account_of(_team(team_id), account_id))


@blueprint.route(ONE, methods=["PATCH"])
@blueprint.arguments(AccountChange)
@blueprint.response(200, AccountOut)
def change_account(wanted: dict[str, Any], team_id: str, account_id: str) -> ListedAccount:
    """Rename a service account, change its rights, disable or enable it. Needs Admin rights."""
    team, account = _administered(team_id, account_id)
    rights = Rights(wanted["rights"]) if "rights" in wanted else None
    accounts.change(
        team,
        account,
        name=wanted.get("name"),
        rights=rights,
        disabled=wanted.get("disabled"),
        by=me(),
        client=client(),
    )
    return service.listed(accounts.live_account_of(team, account_id))


@blueprint.route(ONE, methods=["DELETE"])
@blueprint.response(204)
def delete_account(team_id: str, account_id: str) -> None:
    """Delete a service account and revoke its keys, at once and for good. Needs Admin rights."""
    team, account = _administered(team_id, account_id)
    service.delete(team, account, by=me(), client=client())


@blueprint.route(KEYS)
@blueprint.arguments(KeysQuery, location="query")
@blueprint.response(200, page_of(KeyOut))
def list_account_keys(query: dict[str, Any], team_id: str, account_id: str) -> Page[ListedKey]:
    """List the API keys of a service account, newest first. Needs Admin rights."""
    _, account = _administered(team_id, account_id)
    return api_keys.keys_page(account, state=query["state"], limit=query["limit"], cursor=query.get("cursor"))


@blueprint.route(KEYS, methods=["POST"])
@blueprint.arguments(NewKey)
@blueprint.response(201, NewKeyOut)
def create_account_key(wanted: dict[str, Any], team_id: str, account_id: str) -> Any:
    """Make an API key of a service account. Its secret is in this answer and nowhere else. Needs Admin rights."""
    team, account = _administered(team_id, account_id)
    key, secret = service.issue_key(
        team, account, wanted["name"], by=me(), client=client(), expires_at=wanted["expires_at"]
    )
    location = url_for(
        "service-accounts.show_account_key",
        team_id=team.public_id,
        account_id=account.public_id,
        key_id=key.public_id,
    )
    return {"key": key, "tally": Tally(), "secret": secret}, 201, {"Location": location}


@blueprint.route(KEY)
@blueprint.response(200, KeyOut)
def show_account_key(team_id: str, account_id: str, key_id: str) -> ListedKey:
    """Show an API key of a service account. Needs Admin rights."""
    _, account = _administered(team_id, account_id)
    return api_keys.with_tallies([api_keys.live_key_of(account, key_id)])[0]


@blueprint.route(KEY, methods=["PATCH"])
@blueprint.arguments(KeyChange)
@blueprint.response(200, KeyOut)
def change_account_key(wanted: dict[str, Any], team_id: str, account_id: str, key_id: str) -> ListedKey:
    """Rename an API key of a service account, or have it end at a time, never later than anyway. Needs Admin rights."""
    team, account = _administered(team_id, account_id)
    key = api_keys.live_key_of(account, key_id)
    service.change_key(team, key, **wanted, by=me(), client=client())
    return api_keys.with_tallies([key])[0]


@blueprint.route(KEY, methods=["DELETE"])
@blueprint.response(204)
def revoke_account_key(team_id: str, account_id: str, key_id: str) -> None:
    """Revoke an API key of a service account, at once and for good. Needs Admin rights."""
    team, account = _administered(team_id, account_id)
    service.revoke_key(team, api_keys.key_of(account, key_id), by=me(), client=client())


def _team(team_id: str) -> Team:
    return membership_of(me(), team_id).team


def _administered(team_id: str, account_id: str) -> tuple[Team, User]:
    """Return a team and a service account of it, also a deleted one. Raises InsufficientRights but for Admins."""
    membership = membership_of(me(), team_id)
    ensure_rights(membership, Rights.ADMIN)
    return membership.team, accounts.account_of(membership.team, account_id)

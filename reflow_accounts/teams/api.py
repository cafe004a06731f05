"""`/teams`: the caller's teams, their members, invitations and service accounts. The after-request handler commits."""

from dataclasses import dataclass
from typing import Any

from flask import url_for

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.api_keys.service_accounts import ListedAccount
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.subscriptions.models import State
from reflow_accounts.subscriptions.service import statuses_of
from reflow_accounts.teams import invitations, members
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.member_list import Member, describe_members, invitations_page, members_page
from reflow_accounts.teams.models import Invitation, Membership, Rights, Team
from reflow_accounts.teams.schemas import (
    AccountChange,
    AccountOut,
    InvitationOut,
    InvitationsOut,
    ListQuery,
    MemberOut,
    MemberRights,
    NewAccount,
    NewInvitations,
    TeamName,
    TeamOut,
)
from reflow_accounts.teams.service import admin_membership_of, membership_of, memberships_of
from reflow_accounts.users.models import User
from reflow_accounts.web.openapi import ApiBlueprint, page_of
from reflow_accounts.web.pagination import Page, Position, read_cursor
from reflow_accounts.web.request_info import client

teams_blueprint = ApiBlueprint("teams", __name__, description="Teams, members and invitations")

service_accounts_blueprint = ApiBlueprint(
    "service-accounts", __name__, description="Users for programs, owned by a team"
)
ACCOUNTS_URL = "/teams/<team_id>/service-accounts"
ACCOUNT_URL = f"{ACCOUNTS_URL}/<account_id>"


@dataclass(frozen=True)
class ListedTeam:
    """A team of the caller."""

    team: Team
    rights: str
    subscription: State


@teams_blueprint.route("/teams")
@teams_blueprint.arguments(ListQuery, location="query")
@teams_blueprint.response(200, page_of(TeamOut))
def list_teams(query: dict[str, Any]) -> Page[ListedTeam]:
    """List your teams, oldest membership first."""
    after, limit = read_cursor(query.get("cursor"), 2), query["limit"]
    memberships = sorted(memberships_of(current_user()), key=_position_of)
    rest = [row for row in memberships if not after or _position_of(row) > after]
    page = Page.cut(rest[: limit + 1], limit, _position_of)
    return Page(_team_rows(list(page.items)), page.next_cursor)


@teams_blueprint.route("/teams/<team_id>")
@teams_blueprint.response(200, TeamOut)
def show_team(team_id: str) -> ListedTeam:
    """Show one of your teams."""
    return _team_rows([membership_of(current_user(), team_id)])[0]


@teams_blueprint.route("/teams/<team_id>", methods=["PATCH"])
@teams_blueprint.arguments(TeamName)
@teams_blueprint.response(200, TeamOut)
def rename_team(payload: dict[str, Any], team_id: str) -> ListedTeam:
    """Rename a team. Needs Admin rights."""
    membership = membership_of(current_user(), team_id)
    members.rename(membership.team, payload["name"], by=current_user(), client=client())
    return _team_rows([membership])[0]


@teams_blueprint.route("/teams/<team_id>/members")
@teams_blueprint.arguments(ListQuery, location="query")
@teams_blueprint.response(200, page_of(MemberOut))
def list_members(query: dict[str, Any], team_id: str) -> Page[Member]:
    """List the people of a team, oldest membership first."""
    team = membership_of(current_user(), team_id).team
    return members_page(team, limit=query["limit"], cursor=query.get("cursor"))


@teams_blueprint.route("/teams/<team_id>/members/<user_id>", methods=["PATCH"])
@teams_blueprint.arguments(MemberRights)
@teams_blueprint.response(200, MemberOut)
def change_member_rights(payload: dict[str, Any], team_id: str, user_id: str) -> Member:
    """Change the rights of a member, effective with the next request. Needs Admin rights."""
    team = membership_of(current_user(), team_id).team
    member = members.change_rights(team, user_id, payload["rights"], by=current_user(), client=client())
    return describe_members([member])[0]


@teams_blueprint.route("/teams/<team_id>/members/<user_id>", methods=["DELETE"])
@teams_blueprint.response(204)
def remove_member(team_id: str, user_id: str) -> None:
    """Remove a member from a team. Needs Admin rights, except to leave the team yourself."""
    members.remove(membership_of(current_user(), team_id).team, user_id, by=current_user(), client=client())


@teams_blueprint.route("/teams/<team_id>/invitations")
@teams_blueprint.arguments(ListQuery, location="query")
@teams_blueprint.response(200, page_of(InvitationOut))
def list_invitations(query: dict[str, Any], team_id: str) -> Page[Invitation]:
    """List the open and expired invitations, newest first. Needs Admin rights."""
    team = _team_of_admin(team_id)
    return invitations_page(team, limit=query["limit"], cursor=query.get("cursor"))


@teams_blueprint.route("/teams/<team_id>/invitations", methods=["POST"])
@teams_blueprint.arguments(NewInvitations)
@teams_blueprint.response(201, InvitationsOut)
def invite_members(payload: dict[str, Any], team_id: str) -> dict[str, list[Invitation]]:
    """Invite people by mail; each link works once, within seven days. Needs Admin rights."""
    team, rights = _team_of_admin(team_id), Rights(payload["rights"])
    return {"items": invitations.invite(team, payload["emails"], rights, by=current_user(), client=client())}


@teams_blueprint.route("/teams/<team_id>/invitations/<invitation_id>", methods=["DELETE"])
@teams_blueprint.response(204)
def cancel_invitation(team_id: str, invitation_id: str) -> None:
    """Cancel an invitation. Needs Admin rights."""
    invitations.cancel(_team_of_admin(team_id), invitation_id, by=current_user(), client=client())


@teams_blueprint.route("/teams/<team_id>/invitations/<invitation_id>/sending", methods=["POST"])
@teams_blueprint.response(200, InvitationOut)
def resend_invitation(team_id: str, invitation_id: str) -> Invitation:
    """Mail a new link; the older one stops working. Needs Admin rights."""
    return invitations.send_again(_team_of_admin(team_id), invitation_id, by=current_user(), client=client())


def _team_of_admin(team_id: str) -> Team:
    """Return a team of the caller. Raises NotFound, and InsufficientRights unless the caller is an Admin."""
    return admin_membership_of(current_user(), team_id).team


def _team_rows(memberships: list[Membership]) -> list[ListedTeam]:
    statuses = statuses_of([membership.team_id for membership in memberships])
    return [ListedTeam(row.team, row.rights, statuses[row.team_id].state) for row in memberships]


def _position_of(membership: Membership) -> tuple[int, int]:
    return Position(membership.created_at, membership.team_id).numbers


@service_accounts_blueprint.route(ACCOUNTS_URL)
@service_accounts_blueprint.arguments(ListQuery, location="query")
@service_accounts_blueprint.response(200, page_of(AccountOut))
def list_service_accounts(query: dict[str, Any], team_id: str) -> Page[ListedAccount]:
    """List the service accounts of your team, newest first."""
    return service_accounts.accounts_page(_team(team_id), limit=query["limit"], cursor=query.get("cursor"))


@service_accounts_blueprint.route(ACCOUNTS_URL, methods=["POST"])
@service_accounts_blueprint.arguments(NewAccount)
@service_accounts_blueprint.response(201, AccountOut)
def create_service_account(payload: dict[str, Any], team_id: str) -> Any:
    """Create a service account. Needs Admin rights."""
    team = _team(team_id)
    account = accounts.create(
        team, payload["name"], Rights(payload["rights"]), by=current_user(), client=client()
    )
    location = url_for(
        "service-accounts.show_service_account", team_id=team.public_id, account_id=account.public_id
    )
    return service_accounts.row_of(account), 201, {"Location": location}


@service_accounts_blueprint.route(ACCOUNT_URL)
@service_accounts_blueprint.response(200, AccountOut)
def show_service_account(team_id: str, account_id: str) -> ListedAccount:
    """Show a service account."""
    return service_accounts.row_of(accounts.live_account_of(_team(team_id), account_id))


@service_accounts_blueprint.route(ACCOUNT_URL, methods=["PATCH"])
@service_accounts_blueprint.arguments(AccountChange)
@service_accounts_blueprint.response(200, AccountOut)
def change_service_account(payload: dict[str, Any], team_id: str, account_id: str) -> ListedAccount:
    """Rename a service account, change its rights, disable or enable it. Needs Admin rights."""
    team, account = team_and_account_of_admin(team_id, account_id)
    rights = Rights(payload["rights"]) if "rights" in payload else None
    accounts.change(
        team,
        account,
        name=payload.get("name"),
        rights=rights,
        disabled=payload.get("disabled"),
        by=current_user(),
        client=client(),
    )
    return service_accounts.row_of(accounts.live_account_of(team, account_id))


@service_accounts_blueprint.route(ACCOUNT_URL, methods=["DELETE"])
@service_accounts_blueprint.response(204)
def delete_service_account(team_id: str, account_id: str) -> None:
    """Delete a service account and revoke its keys, permanently. Needs Admin rights."""
    team, account = team_and_account_of_admin(team_id, account_id)
    service_accounts.delete(team, account, by=current_user(), client=client())


def _team(team_id: str) -> Team:
    return membership_of(current_user(), team_id).team


def team_and_account_of_admin(team_id: str, account_id: str) -> tuple[Team, User]:
    """Return a team and its service account, even if deleted. Raises NotFound, or InsufficientRights for non-Admins."""
    team = _team_of_admin(team_id)
    return team, accounts.account_of(team, account_id)

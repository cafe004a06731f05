"""`/teams`: the caller's teams, their members and invitations. The after-request handler commits."""

from dataclasses import dataclass
from typing import Any

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.subscriptions.models import State
from reflow_accounts.subscriptions.service import statuses_of
from reflow_accounts.teams import invitations, members
from reflow_accounts.teams.member_list import Member, described, invitations_page, members_page
from reflow_accounts.teams.models import Invitation, Membership, Rights, Team
from reflow_accounts.teams.schemas import (
    InvitationOut,
    InvitationsOut,
    ListQuery,
    MemberOut,
    MemberRights,
    NewInvitations,
    TeamName,
    TeamOut,
)
from reflow_accounts.teams.service import ensure_rights, membership_of, memberships_of
from reflow_accounts.web.openapi import ApiBlueprint, page_of
from reflow_accounts.web.pagination import Page, Position, read_cursor
from reflow_accounts.web.request_info import client

blueprint = ApiBlueprint("teams", __name__, description="Teams, members and invitations")


@dataclass(frozen=True)
class ListedTeam:
    """A team of the caller."""

    team: Team
    rights: str
    subscription: State


@blueprint.route("/teams")
@blueprint.arguments(ListQuery, location="query")
@blueprint.response(200, page_of(TeamOut))
def list_teams(query: dict[str, Any]) -> Page[ListedTeam]:
    """List your teams, the one that you joined first is first."""
    after, limit = read_cursor(query.get("cursor"), 2), query["limit"]
    mine = sorted(memberships_of(current_user()), key=_place)
    rest = [membership for membership in mine if not after or _place(membership) > after]
    page = Page.cut(rest[: limit + 1], limit, _place)
    return Page(_listed(list(page.items)), page.next_cursor)


@blueprint.route("/teams/<team_id>")
@blueprint.response(200, TeamOut)
def show_team(team_id: str) -> ListedTeam:
    """Show a team of yours."""
    return _listed([membership_of(current_user(), team_id)])[0]


@blueprint.route("/teams/<team_id>", methods=["PATCH"])
@blueprint.arguments(TeamName)
@blueprint.response(200, TeamOut)
def rename_team(wanted: dict[str, Any], team_id: str) -> ListedTeam:
    """Give a team another name. Needs Admin rights."""
    mine = membership_of(current_user(), team_id)
    members.rename(mine.team, wanted["name"], by=current_user(), client=client())
    return _listed([mine])[0]


@blueprint.route("/teams/<team_id>/members")
@blueprint.arguments(ListQuery, location="query")
@blueprint.response(200, page_of(MemberOut))
def list_members(query: dict[str, Any], team_id: str) -> Page[Member]:
    """List the people of a team, who joined first is first."""
    team = membership_of(current_user(), team_id).team
    return members_page(team, limit=query["limit"], cursor=query.get("cursor"))


@blueprint.route("/teams/<team_id>/members/<user_id>", methods=["PATCH"])
@blueprint.arguments(MemberRights)
@blueprint.response(200, MemberOut)
def change_member_rights(wanted: dict[str, Any], team_id: str, user_id: str) -> Member:
    """Change the rights of a member, from the next request on. Needs Admin rights."""
    team = membership_of(current_user(), team_id).team
    member = members.change_rights(team, user_id, wanted["rights"], by=current_user(), client=client())
    return described([member])[0]


@blueprint.route("/teams/<team_id>/members/<user_id>", methods=["DELETE"])
@blueprint.response(204)
def remove_member(team_id: str, user_id: str) -> None:
    """Take a member out of a team, at once. Needs Admin rights, but for yourself."""
    members.remove(membership_of(current_user(), team_id).team, user_id, by=current_user(), client=client())


@blueprint.route("/teams/<team_id>/invitations")
@blueprint.arguments(ListQuery, location="query")
@blueprint.response(200, page_of(InvitationOut))
def list_invitations(query: dict[str, Any], team_id: str) -> Page[Invitation]:
    """List the invitations that wait for an answer, newest first. Needs Admin rights."""
    team = _team_of_admin(team_id)
    return invitations_page(team, limit=query["limit"], cursor=query.get("cursor"))


@blueprint.route("/teams/<team_id>/invitations", methods=["POST"])
@blueprint.arguments(NewInvitations)
@blueprint.response(201, InvitationsOut)
def invite_members(wanted: dict[str, Any], team_id: str) -> dict[str, list[Invitation]]:
    """Invite people by mail; each link works once, within seven days. Needs Admin rights."""
    team, rights = _team_of_admin(team_id), Rights(wanted["rights"])
    return {"items": invitations.invite(team, wanted["emails"], rights, by=current_user(), client=client())}


@blueprint.route("/teams/<team_id>/invitations/<invitation_id>", methods=["DELETE"])
@blueprint.response(204)
def cancel_invitation(team_id: str, invitation_id: str) -> None:
    """Cancel an invitation. Needs Admin rights."""
    invitations.cancel(_team_of_admin(team_id), invitation_id, by=current_user(), client=client())


@blueprint.route("/teams/<team_id>/invitations/<invitation_id>/sending", methods=["POST"])
@blueprint.response(200, InvitationOut)
def resend_invitation(team_id: str, invitation_id: str) -> Invitation:
    """Mail a new link; the older one stops working. Needs Admin rights."""
    return invitations.send_again(_team_of_admin(team_id), invitation_id, by=current_user(), client=client())


def _team_of_admin(team_id: str) -> Team:
    """Return a team of which the caller is an Admin, so that others are told that first."""
    mine = membership_of(current_user(), team_id)
    ensure_rights(mine, Rights.ADMIN)
    return mine.team


def _listed(memberships: list[Membership]) -> list[ListedTeam]:
    standings = statuses_of([membership.team_id for membership in memberships])
    return [ListedTeam(row.team, row.rights, standings[row.team_id].state) for row in memberships]


def _place(membership: Membership) -> tuple[int, int]:
    return Position(membership.created_at, membership.team_id).numbers

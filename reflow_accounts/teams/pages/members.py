"""Members' rights, removing a member, and leaving a team."""

from flask import Blueprint, flash, redirect, render_template, request, url_for

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, InsufficientRights, NotFound, ValidationFailed
from reflow_accounts.teams import members
from reflow_accounts.teams.invitations import invitations_sent_by
from reflow_accounts.teams.member_list import described
from reflow_accounts.teams.members import NeedsAdmin
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.teams.pages.shown import Answer, done, refused, tab_of
from reflow_accounts.teams.service import ensure_rights, membership_of
from reflow_accounts.web.request_info import client

blueprint = Blueprint("members", __name__)


@blueprint.post("/teams/<team_id>/members/<user_id>/rights")
def change_rights(team_id: str, user_id: str) -> Answer:
    """Change a member's rights."""
    ensure_recent_proof()
    team = membership_of(current_user(), team_id).team
    requested = request.form.get("rights", "")
    try:
        member = members.change_rights(team, user_id, requested, by=current_user(), client=client())
    except (Conflict, InsufficientRights, NotFound, ValidationFailed) as error:
        return refused(team_id, error)
    message = f"{member.user.full_name} has {Rights(member.rights).title()} rights."
    db.session.commit()
    return done(team_id, message)


@blueprint.get("/teams/<team_id>/members/<user_id>/removal")
def ask_to_remove(team_id: str, user_id: str) -> Answer:
    """Ask before a member is removed."""
    mine = membership_of(current_user(), team_id)
    if user_id == current_user().public_id:
        return redirect(url_for("account.members.ask_to_leave", team_id=team_id), 303)
    ensure_rights(mine, Rights.ADMIN)
    [member] = described([members.member_of(mine.team, user_id)])
    sent = invitations_sent_by(mine.team, member.user)
    return render_template(
        "teams/removal.html", found=mine.team, member=member, sent=sent, back=tab_of(mine.team)
    )


@blueprint.post("/teams/<team_id>/members/<user_id>/removal")
def remove(team_id: str, user_id: str) -> Answer:
    """Remove a member from the team."""
    ensure_recent_proof()
    if user_id == current_user().public_id:
        return redirect(url_for("account.members.ask_to_leave", team_id=team_id), 303)
    team = membership_of(current_user(), team_id).team
    user = members.remove(team, user_id, by=current_user(), client=client())
    db.session.commit()
    return done(team_id, f"{user.full_name} was removed from {team.name}.")


@blueprint.get("/teams/<team_id>/departure")
def ask_to_leave(team_id: str) -> Answer:
    """Ask before the user leaves the team; tell the last Admin what to do first."""
    return _leaving_page(membership_of(current_user(), team_id))


@blueprint.post("/teams/<team_id>/departure")
def leave(team_id: str) -> Answer:
    """Leave the team."""
    mine = membership_of(current_user(), team_id)
    name = mine.team.name
    try:
        members.leave(mine.team, by=current_user(), client=client())
    except NeedsAdmin as error:
        db.session.rollback()
        return _leaving_page(mine), error.status
    db.session.commit()
    flash(f"You left {name}.", "team-done")
    return redirect(url_for("account.team.show"), 303)


def _leaving_page(mine: Membership) -> str:
    is_needed = members.is_needed(mine)
    return render_template("teams/leaving.html", found=mine.team, is_needed=is_needed, back=tab_of(mine.team))

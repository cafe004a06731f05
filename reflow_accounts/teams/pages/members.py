"""Members' rights, and removing a member."""

from flask import redirect, render_template, request, url_for

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, InsufficientRights, NotFound, ValidationFailed
from reflow_accounts.teams import members
from reflow_accounts.teams.member_list import described
from reflow_accounts.teams.models import Rights
from reflow_accounts.teams.pages.blueprints import account
from reflow_accounts.teams.pages.shown import Answer, done, refused, tab_of
from reflow_accounts.teams.service import ensure_rights, membership_of
from reflow_accounts.web.request_info import client


@account.post("/teams/<team_id>/members/<user_id>/rights")
def change_rights(team_id: str, user_id: str) -> Answer:
    """Give a member other rights."""
    ensure_recent_proof()
    team = membership_of(current_user(), team_id).team
    wanted = request.form.get("rights", "")
    try:
        member = members.change_rights(team, user_id, wanted, by=current_user(), client=client())
    except (Conflict, InsufficientRights, NotFound, ValidationFailed) as error:
        return refused(team_id, error)
    message = f"{member.user.full_name} has {Rights(member.rights).title()} rights."
    db.session.commit()
    return done(team_id, message)


@account.get("/teams/<team_id>/members/<user_id>/removal")
def ask_to_remove(team_id: str, user_id: str) -> Answer:
    """Say what a member loses, and ask."""
    mine = membership_of(current_user(), team_id)
    if user_id == current_user().public_id:
        return redirect(url_for("account.team.ask_to_leave", team_id=team_id), 303)
    ensure_rights(mine, Rights.ADMIN)
    [member] = described([members.member_of(mine.team, user_id)])
    return render_template("teams/removal.html", found=mine.team, member=member, back=tab_of(mine.team))


@account.post("/teams/<team_id>/members/<user_id>/removal")
def remove(team_id: str, user_id: str) -> Answer:
    """Take a member out of the team, at once."""
    ensure_recent_proof()
    if user_id == current_user().public_id:
        return redirect(url_for("account.team.ask_to_leave", team_id=team_id), 303)
    team = membership_of(current_user(), team_id).team
    user = members.remove(team, user_id, by=current_user(), client=client())
    db.session.commit()
    return done(team_id, f"{user.full_name} was removed from {team.name}.")

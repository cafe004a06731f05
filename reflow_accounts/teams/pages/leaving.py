"""Leave a team."""

from flask import flash, redirect, render_template, url_for

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import db
from reflow_accounts.teams import members
from reflow_accounts.teams.members import NeedsAdmin
from reflow_accounts.teams.models import Membership
from reflow_accounts.teams.pages.blueprints import account
from reflow_accounts.teams.pages.shown import Answer, tab_of
from reflow_accounts.teams.service import membership_of
from reflow_accounts.web.request_info import client


@account.get("/teams/<team_id>/departure")
def ask_to_leave(team_id: str) -> Answer:
    """Say what one loses, and ask; the last Admin is told what to do first."""
    return _page(membership_of(current_user(), team_id))


@account.post("/teams/<team_id>/departure")
def leave(team_id: str) -> Answer:
    """Leave the team, at once."""
    mine = membership_of(current_user(), team_id)
    name = mine.team.name
    try:
        members.leave(mine.team, by=current_user(), client=client())
    except NeedsAdmin as error:
        db.session.rollback()
        return _page(mine), error.status
    db.session.commit()
    flash(f"You left {name}.", "team-done")
    return redirect(url_for("account.team.show"), 303)


def _page(mine: Membership) -> str:
    is_needed = members.is_needed(mine)
    return render_template("teams/leaving.html", found=mine.team, is_needed=is_needed, back=tab_of(mine.team))

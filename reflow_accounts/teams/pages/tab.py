"""The Team tab, the choice of the current team, and the team's name."""

from flask import Blueprint, redirect, render_template, request, url_for

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.teams import members
from reflow_accounts.teams.forms import TeamForm
from reflow_accounts.teams.models import Rights
from reflow_accounts.teams.pages.shown import Answer, back, tab
from reflow_accounts.teams.service import choose, current_of, ensure_rights, membership_of, memberships_of
from reflow_accounts.web.redirects import current_page, local_path
from reflow_accounts.web.request_info import client

blueprint = Blueprint("team", __name__)


@blueprint.get("/team")
def show() -> Answer:
    """Show the current team or that in the URL; with several teams and no choice, ask for one."""
    requested = request.args.get("team")
    membership = membership_of(current_user(), requested) if requested else current_of(current_user())
    if membership:
        return tab(membership)
    return ask_for_choice() if memberships_of(current_user()) else render_template("teams/no_team.html")


@blueprint.get("/team/choice")
def ask_for_choice() -> Answer:
    """List the user's teams to choose from."""
    mine = memberships_of(current_user())
    if not mine:
        return render_template("teams/no_team.html")
    current = current_of(current_user())
    return render_template("teams/choice.html", mine=mine, current=current, next=_tab(current_page()))


@blueprint.post("/team/choice")
def remember_choice() -> Answer:
    """Make a team the current one and return to the page before."""
    membership = membership_of(current_user(), request.form.get("team", ""))
    choose(membership)
    db.session.commit()
    return redirect(_tab(request.form.get("next")), 303)


@blueprint.get("/teams/<team_id>/name")
def ask_for_name(team_id: str) -> Answer:
    """Show the form to rename the team."""
    mine = membership_of(current_user(), team_id)
    ensure_rights(mine, Rights.ADMIN)
    return render_template("teams/name.html", found=mine.team, form=TeamForm(name=mine.team.name))


@blueprint.post("/teams/<team_id>/name")
def rename(team_id: str) -> Answer:
    """Rename the team."""
    mine, form = membership_of(current_user(), team_id), TeamForm()
    try:
        members.rename(mine.team, form.name.data or "", by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        ensure_rights(mine, Rights.ADMIN)
        form.show(failed)
        return render_template("teams/name.html", found=mine.team, form=form), 422
    db.session.commit()
    return back(mine.team, f"The team is called {mine.team.name} now.")


def _tab(page: str | None) -> str:
    """Return the path of the previous tab without its query; the Team tab for other pages."""
    path = (local_path(page) or "").partition("?")[0]
    is_tab = path.startswith("/account/") and path.count("/") == 2
    return path if is_tab else url_for("account.team.show")

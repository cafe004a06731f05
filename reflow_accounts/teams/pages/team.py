"""The Team tab: choice and name of the team, rights and removal of members, leaving, and invitations."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, DomainError, InsufficientRights, NotFound, ValidationFailed
from reflow_accounts.teams import invitations, members
from reflow_accounts.teams.forms import InviteForm, TeamForm
from reflow_accounts.teams.invitations import invitations_sent_by
from reflow_accounts.teams.member_list import describe_members
from reflow_accounts.teams.members import NeedsAdmin, checked_rights
from reflow_accounts.teams.models import Invitation, Membership, Rights, Team
from reflow_accounts.teams.pages.team_tab import (
    redirect_to_tab,
    render_tab,
    respond_done,
    respond_refused,
    tab_url,
)
from reflow_accounts.teams.service import (
    admin_membership_of,
    choose,
    current_of,
    ensure_rights,
    membership_of,
    memberships_of,
)
from reflow_accounts.web import htmx
from reflow_accounts.web.redirects import current_page, local_path, previous_page
from reflow_accounts.web.request_info import client

blueprint = Blueprint("team", __name__)


@blueprint.get("/team")
def show() -> ResponseReturnValue:
    """Show the team in the URL or the current one; without a choice among several teams, ask for one."""
    requested = request.args.get("team")
    membership = membership_of(current_user(), requested) if requested else current_of(current_user())
    if membership:
        return render_tab(membership)
    return ask_for_choice() if memberships_of(current_user()) else render_template("teams/no_team.html")


@blueprint.get("/team/choice")
def ask_for_choice() -> ResponseReturnValue:
    """List the user's teams to choose from; the choice leads back to the tab that asked for it."""
    memberships = memberships_of(current_user())
    if not memberships:
        return render_template("teams/no_team.html")
    current = current_of(current_user())
    is_link = request.endpoint == "account.team.ask_for_choice" and not htmx.is_htmx()
    page = request.args.get("next") or (previous_page() if is_link else current_page())
    return render_template(
        "teams/choice.html", memberships=memberships, current=current, next=_tab_path(page)
    )


@blueprint.post("/team/choice")
def remember_choice() -> ResponseReturnValue:
    """Make a team the current one and return to the page before."""
    membership = membership_of(current_user(), request.form.get("team", ""))
    choose(membership)
    db.session.commit()
    return redirect(_tab_path(request.form.get("next")), 303)


@blueprint.get("/teams/<team_id>/name")
def ask_for_name(team_id: str) -> ResponseReturnValue:
    """Show the form to rename the team."""
    membership = admin_membership_of(current_user(), team_id)
    return render_template(
        "teams/name.html", target_team=membership.team, form=TeamForm(name=membership.team.name)
    )


@blueprint.post("/teams/<team_id>/name")
def rename(team_id: str) -> ResponseReturnValue:
    """Rename the team."""
    membership, form = admin_membership_of(current_user(), team_id), TeamForm()
    try:
        members.rename(membership.team, form.name.data or "", by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("teams/name.html", target_team=membership.team, form=form), 422
    db.session.commit()
    return redirect_to_tab(membership.team, f"The team is called {membership.team.name} now.")


def _tab_path(page: str | None) -> str:
    """Return the path of the previous tab without its query; the Team tab for other pages."""
    path = (local_path(page) or "").partition("?")[0]
    is_tab = path.startswith("/account/") and path.count("/") == 2
    return path if is_tab else url_for("account.team.show")


@blueprint.post("/teams/<team_id>/members/<user_id>/rights")
def change_rights(team_id: str, user_id: str) -> ResponseReturnValue:
    """Change a member's rights."""
    ensure_recent_proof()
    team = membership_of(current_user(), team_id).team
    requested = request.form.get("rights", "")
    try:
        member = members.change_rights(team, user_id, requested, by=current_user(), client=client())
    except (Conflict, InsufficientRights, NotFound, ValidationFailed) as error:
        return respond_refused(team_id, error)
    message = f"{member.user.full_name} has {Rights(member.rights).title()} rights."
    db.session.commit()
    if user_id == current_user().public_id:
        # The buttons outside the list of members depend on one's own rights.
        return redirect_to_tab(team, message)
    return respond_done(team_id, message)


@blueprint.get("/teams/<team_id>/members/<user_id>/removal")
def ask_to_remove_member(team_id: str, user_id: str) -> ResponseReturnValue:
    """Ask before a member is removed."""
    membership = membership_of(current_user(), team_id)
    if user_id == current_user().public_id:
        return redirect(url_for("account.team.ask_to_leave", team_id=team_id), 303)
    ensure_rights(membership, Rights.ADMIN)
    [member] = describe_members([members.member_of(membership.team, user_id)])
    sent = invitations_sent_by(membership.team, member.user)
    return render_template(
        "teams/removal.html",
        target_team=membership.team,
        member=member,
        sent=sent,
        back=tab_url(membership.team),
    )


@blueprint.post("/teams/<team_id>/members/<user_id>/removal")
def remove_member(team_id: str, user_id: str) -> ResponseReturnValue:
    """Remove a member from the team."""
    ensure_recent_proof()
    if user_id == current_user().public_id:
        return redirect(url_for("account.team.ask_to_leave", team_id=team_id), 303)
    team = membership_of(current_user(), team_id).team
    user = members.remove(team, user_id, by=current_user(), client=client())
    db.session.commit()
    return respond_done(team_id, f"{user.full_name} was removed from {team.name}.")


@blueprint.get("/teams/<team_id>/departure")
def ask_to_leave(team_id: str) -> ResponseReturnValue:
    """Ask before the user leaves the team; tell the last Admin what to do first."""
    return _leaving_page(membership_of(current_user(), team_id))


@blueprint.post("/teams/<team_id>/departure")
def leave(team_id: str) -> ResponseReturnValue:
    """Leave the team."""
    membership = membership_of(current_user(), team_id)
    name = membership.team.name
    try:
        members.leave(membership.team, by=current_user(), client=client())
    except NeedsAdmin as error:
        db.session.rollback()
        return _leaving_page(membership), error.status
    db.session.commit()
    flash(f"You left {name}.", "team-done")
    return redirect(url_for("account.team.show"), 303)


def _leaving_page(membership: Membership) -> str:
    is_needed = members.is_needed(membership)
    return render_template(
        "teams/leaving.html", target_team=membership.team, is_needed=is_needed, back=tab_url(membership.team)
    )


@blueprint.get("/teams/<team_id>/invitations/new")
def ask_to_invite(team_id: str) -> ResponseReturnValue:
    """Show the form for new invitations."""
    membership = admin_membership_of(current_user(), team_id)
    return _invite_page(membership.team, InviteForm(formdata=None))


@blueprint.post("/teams/<team_id>/invitations")
def invite(team_id: str) -> ResponseReturnValue:
    """Invite all addresses or none."""
    ensure_recent_proof()
    membership, form = admin_membership_of(current_user(), team_id), InviteForm()
    try:
        rights = checked_rights(form.rights.data or "")
        sent = invitations.invite(membership.team, form.lines, rights, by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _invite_page(membership.team, form), 422
    db.session.commit()
    if len(sent) == 1:
        return respond_done(team_id, f"Invitation sent to {sent[0].email}.")
    return respond_done(team_id, f"{len(sent)} invitations sent.")


@blueprint.post("/teams/<team_id>/invitations/<invitation_id>/sending")
def resend_invitation(team_id: str, invitation_id: str) -> ResponseReturnValue:
    """Mail a new link; the older one becomes invalid."""
    return _change_invitation(team_id, invitation_id, invitations.send_again, "Invitation sent to {} again.")


@blueprint.post("/teams/<team_id>/invitations/<invitation_id>/cancellation")
def cancel_invitation(team_id: str, invitation_id: str) -> ResponseReturnValue:
    """Cancel an invitation."""
    return _change_invitation(team_id, invitation_id, invitations.cancel, "Invitation to {} cancelled.")


def _change_invitation(
    team_id: str, invitation_id: str, verb: Callable[..., Invitation], sentence: str
) -> ResponseReturnValue:
    membership = membership_of(current_user(), team_id)
    try:
        ensure_rights(membership, Rights.ADMIN)
        invitation = verb(membership.team, invitation_id, by=current_user(), client=client())
    except DomainError as error:
        return respond_refused(team_id, error)
    db.session.commit()
    return respond_done(team_id, sentence.format(invitation.email))


def _invite_page(team: Team, form: InviteForm) -> str:
    return render_template("teams/invite.html", target_team=team, form=form, back=tab_url(team))

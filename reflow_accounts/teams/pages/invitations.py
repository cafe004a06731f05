"""Invite people to a team; send an invitation again, or cancel it."""

from collections.abc import Callable

from flask import Blueprint, render_template

from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import DomainError, ValidationFailed
from reflow_accounts.teams import invitations
from reflow_accounts.teams.forms import InviteForm
from reflow_accounts.teams.members import checked_rights
from reflow_accounts.teams.models import Invitation, Rights, Team
from reflow_accounts.teams.pages.shown import Answer, done, refused, tab_of
from reflow_accounts.teams.service import ensure_rights, membership_of
from reflow_accounts.web.request_info import client

blueprint = Blueprint("invitations", __name__)


@blueprint.get("/teams/<team_id>/invitations/new")
def new(team_id: str) -> Answer:
    """Show the form for new invitations."""
    mine = membership_of(current_user(), team_id)
    ensure_rights(mine, Rights.ADMIN)
    return _page(mine.team, InviteForm(formdata=None))


@blueprint.post("/teams/<team_id>/invitations")
def invite(team_id: str) -> Answer:
    """Invite all addresses or none."""
    ensure_recent_proof()
    mine, form = membership_of(current_user(), team_id), InviteForm()
    ensure_rights(mine, Rights.ADMIN)
    try:
        rights = checked_rights(form.rights.data or "")
        sent = invitations.invite(mine.team, form.lines, rights, by=current_user(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page(mine.team, form), 422
    db.session.commit()
    if len(sent) == 1:
        return done(team_id, f"Invitation sent to {sent[0].email}.")
    return done(team_id, f"{len(sent)} invitations sent.")


@blueprint.post("/teams/<team_id>/invitations/<invitation_id>/sending")
def send_again(team_id: str, invitation_id: str) -> Answer:
    """Mail a new link; the older one becomes invalid."""
    return _act(team_id, invitation_id, invitations.send_again, "Invitation sent to {} again.")


@blueprint.post("/teams/<team_id>/invitations/<invitation_id>/cancellation")
def cancel(team_id: str, invitation_id: str) -> Answer:
    """Cancel an invitation."""
    return _act(team_id, invitation_id, invitations.cancel, "Invitation to {} cancelled.")


def _act(team_id: str, invitation_id: str, verb: Callable[..., Invitation], sentence: str) -> Answer:
    mine = membership_of(current_user(), team_id)
    try:
        ensure_rights(mine, Rights.ADMIN)
        invitation = verb(mine.team, invitation_id, by=current_user(), client=client())
    except DomainError as error:
        return refused(team_id, error)
    db.session.commit()
    return done(team_id, sentence.format(invitation.email))


def _page(team: Team, form: InviteForm) -> str:
    return render_template("teams/invite.html", found=team, form=form, back=tab_of(team))

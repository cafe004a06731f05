"""The page of an invitation link: the invitation, and how to join."""

from enum import StrEnum

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import login_manager
from reflow_accounts.auth.login import find_by_email
from reflow_accounts.auth.models import Factor
from reflow_accounts.auth.pages.sign_in import sign_in
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db
from reflow_accounts.email_addresses import is_same
from reflow_accounts.errors import Conflict, Gone, RateLimited, ValidationFailed
from reflow_accounts.mail.rendering import read_link
from reflow_accounts.teams import invitations
from reflow_accounts.teams.forms import NewMemberForm
from reflow_accounts.teams.members import join_with_new_account
from reflow_accounts.teams.models import Invitation, InvitationState
from reflow_accounts.teams.service import choose, memberships_of
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import client

blueprint = Blueprint("invitations", __name__, url_prefix="/invitations")


class Situation(StrEnum):
    """Relation of the visitor to the invitation; a closed invitation has the name of its state."""

    UNKNOWN = "unknown"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    ACCEPTED = "accepted"
    OF_SOMEBODY_ELSE = "of_somebody_else"
    MEMBER = "member"
    READY = "ready"
    SIGNED_OUT = "signed_out"
    NEW = "new"


_OVER = (Situation.UNKNOWN, Situation.CANCELLED, Situation.EXPIRED, Situation.ACCEPTED)


@blueprint.get("/<token>")
def show(token: str) -> ResponseReturnValue:
    """Show the invitation. A GET changes nothing, because mail scanners open links."""
    invitation = _find_invitation(token)
    situation = _situation(invitation)
    page = _page(token, invitation, situation, NewMemberForm(formdata=None))
    return (page, Gone.status) if situation in _OVER else page


@blueprint.post("/<token>")
def join(token: str) -> ResponseReturnValue:
    """Join the team with the account of the invited address, or with a new one."""
    invitation = _find_invitation(token)
    situation = _situation(invitation)
    if invitation and situation == Situation.READY:
        return _join_with_session(token, invitation)
    if invitation and situation == Situation.NEW:
        return _join_with_new_account(token, invitation)
    status = Gone.status if situation in _OVER else 403
    return _page(token, invitation, situation, NewMemberForm(formdata=None)), status


def _join_with_session(token: str, invitation: Invitation) -> ResponseReturnValue:
    session = login_manager.current_session()
    assert session
    try:
        membership = invitations.accept(invitation, session.user, client=client())
    except (Gone, Conflict):
        db.session.rollback()
        return show(token)
    choose(membership)
    db.session.commit()
    return _welcome(redirect(url_for("account.team.show"), 303), invitation)


def _join_with_new_account(token: str, invitation: Invitation) -> ResponseReturnValue:
    form = NewMemberForm()
    args = (form.full_name.data or "", form.password.data or "")
    try:
        user = join_with_new_account(invitation, *args, hasher(), client=client())
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page(token, invitation, Situation.NEW, form), 422
    except RateLimited as limited:
        form.password.errors = [str(limited)]
        return _page(token, invitation, Situation.NEW, form), limited.status, limited.headers
    except (Gone, Conflict):
        db.session.rollback()
        return show(token)
    response = sign_in(user, Factor.MAILED_LINK)
    response.location = url_for("account.team.show")
    return _welcome(response, invitation)


def _welcome(response: AnyResponse, invitation: Invitation) -> AnyResponse:
    flash(f"You joined {invitation.team.name}.", "team-done")
    return response


def _find_invitation(token: str) -> Invitation | None:
    return invitations.find_invitation(read_link(token, invitations.PURPOSE))


def _situation(invitation: Invitation | None) -> Situation:
    if invitation is None:
        return Situation.UNKNOWN
    if invitation.state != InvitationState.OPEN:
        return Situation(invitation.state)
    session = login_manager.current_session()
    if session and not is_same(session.user.email or "", invitation.email):
        return Situation.OF_SOMEBODY_ELSE
    owner = find_by_email(invitation.email)
    if owner and _is_member(owner, invitation):
        return Situation.MEMBER
    if session:
        return Situation.READY
    return Situation.SIGNED_OUT if owner else Situation.NEW


def _is_member(user: User, invitation: Invitation) -> bool:
    return any(membership.team_id == invitation.team_id for membership in memberships_of(user))


def _page(token: str, invitation: Invitation | None, situation: Situation, form: NewMemberForm) -> str:
    session = login_manager.current_session()
    return render_template(
        "teams/invitation.html",
        link_token=token,
        invitation=invitation,
        is_member=bool(invitation and session and _is_member(session.user, invitation)),
        inviter=invitations.inviter_of(invitation) if invitation else None,
        situation=situation,
        form=form,
    )

"""Invitations to a team by mail: create, send again, cancel, accept."""

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import delete, or_, select, update
from sqlalchemy.exc import IntegrityError

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email
from reflow_accounts.database import affected_rows, db, now, require_row
from reflow_accounts.email_addresses import canonical, stored_forms
from reflow_accounts.errors import Conflict, Gone, ValidationFailed
from reflow_accounts.mail.service import post
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.models import Invitation, InvitationState, Membership, Rights, Team, new_link
from reflow_accounts.teams.service import add_member, lock_as_admin, lock_team
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

LIFETIME = timedelta(days=7)
# How long an invitation is kept after it was accepted, was cancelled or expired.
KEPT_WHEN_OVER = timedelta(days=90)
MOST_AT_ONCE = 50
# Purpose of the signed token in the mailed link.
PURPOSE = "invitation"

IS_OPEN = (Invitation.accepted_at.is_(None), Invitation.cancelled_at.is_(None))


def invite(
    team: Team, emails: Sequence[str], rights: Rights, *, by: User, client: Client
) -> list[Invitation]:
    """Invite each address, ignoring blank and repeated ones.

    Invites all or none. Raises ValidationFailed, with a message for each invalid one under `emails.<index>`,
    NotFound, InsufficientRights unless `by` is an Admin, and RateLimited.
    The result is the same for addresses with and without an account.
    """
    requested = _check_emails(emails)
    _count(team, requested, by)
    lock_as_admin(team, by)
    is_to = Invitation.email.in_(_stored_forms_of(requested))
    query = select(Invitation).where(Invitation.team_id == team.id, is_to, *IS_OPEN)
    rows = db.session.scalars(query.execution_options(populate_existing=True))
    known = {canonical(invitation.email) or invitation.email: invitation for invitation in rows}
    faults = _faults_of_known_emails(team, requested, known, rights)
    if faults:
        raise ValidationFailed(**faults)
    sent = [_create_or_renew(team, email, rights, known.get(email), by) for email in requested]
    for invitation in sent:
        _record(Action.MEMBER_INVITED, invitation, by=by, client=client)
        _mail(invitation, by)
    return sent


def send_again(team: Team, invitation_id: str, *, by: User, client: Client) -> Invitation:
    """Mail a new link, valid for seven days; the older one becomes invalid.

    Raises NotFound, InsufficientRights, RateLimited, and Gone for one that was accepted or cancelled.
    """
    invitation = invitation_of(team, invitation_id)
    _count(team, {invitation.email: 0}, by)
    lock_as_admin(team, by)
    db.session.refresh(invitation)
    _ensure_waiting(invitation)
    invitation.invited_by_id = by.id
    _renew(invitation)
    _record(Action.INVITATION_SENT_AGAIN, invitation, by=by, client=client)
    _mail(invitation, by)
    return invitation


def cancel(team: Team, invitation_id: str, *, by: User, client: Client) -> Invitation:
    """Cancel an invitation, which makes its link invalid. Repeating it changes nothing.

    Raises NotFound, InsufficientRights, and Gone for one that was accepted.
    """
    lock_as_admin(team, by)
    invitation = invitation_of(team, invitation_id)
    if invitation.state == InvitationState.CANCELLED:
        return invitation
    _ensure_waiting(invitation)
    invitation.cancelled_at = now()
    _record(Action.INVITATION_CANCELLED, invitation, by=by, client=client)
    return invitation


def accept(invitation: Invitation, user: User, *, client: Client) -> Membership:
    """Add the person with the invited address to the team; of concurrent calls, only one does.

    Raises Gone if the invitation is no longer open, and Conflict if the person is a member.
    """
    lock_team(invitation.team_id)
    moment = now()
    statement = (
        update(Invitation)
        .where(Invitation.id == invitation.id, Invitation.link == invitation.link, *IS_OPEN)
        .where(Invitation.email.in_(stored_forms(user.email or "")), Invitation.expires_at > moment)
        .values(accepted_at=moment, accepted_by_id=user.id)
    )
    if not affected_rows(statement):
        raise Gone("This invitation does not work any more.")
    rights = Rights(invitation.rights)
    try:
        with db.session.begin_nested():
            membership = add_member(invitation.team, user, rights)
    except IntegrityError:
        raise Conflict(f"You are a member of {invitation.team.name} already.") from None
    record(
        Action.MEMBER_JOINED,
        by=user,
        account=user,
        team=invitation.team,
        subject=f"{user.full_name} ({rights.title()})",
        address=client.address,
        invitation=invitation.public_id,
        whom=user.public_id,
        new=rights,
    )
    return membership


def invitation_of(team: Team, invitation_id: str) -> Invitation:
    """Return an invitation to a team in any state, freshly read. Raises NotFound."""
    query = select(Invitation).where(Invitation.team_id == team.id, Invitation.public_id == invitation_id)
    fresh = query.execution_options(populate_existing=True)
    return require_row(fresh, "There is no invitation with this id.")


def find_invitation(link: str | None) -> Invitation | None:
    """Return the invitation with this newest link, in any state, or None."""
    if link is None:
        return None
    return db.session.scalar(select(Invitation).where(Invitation.link == link))


def inviter_of(invitation: Invitation) -> User:
    """Return the user who last sent an invitation."""
    return db.session.get_one(User, invitation.invited_by_id)


def cancel_all_of(team: Team) -> None:
    """Cancel every invitation to a team without people."""
    statement = update(Invitation).where(Invitation.team_id == team.id, *IS_OPEN)
    db.session.execute(statement.values(cancelled_at=now()))


def cancel_all_to(team: Team, email: str) -> None:
    """Cancel the waiting invitations of an address to a team, when its owner leaves."""
    statement = update(Invitation).where(
        Invitation.team_id == team.id, Invitation.email.in_(stored_forms(email)), *IS_OPEN
    )
    db.session.execute(statement.values(cancelled_at=now()))


def invitations_sent_by(team: Team, user: User) -> list[Invitation]:
    """Return the waiting invitations to a team that this user was the last to send."""
    query = select(Invitation).where(Invitation.team_id == team.id, Invitation.invited_by_id == user.id)
    return list(db.session.scalars(query.where(*IS_OPEN).order_by(Invitation.id)))


def cancel_all_by(team: Team, user: User, *, by: User, client: Client) -> None:
    """Cancel the waiting invitations of a user who is no longer an Admin of the team."""
    for invitation in invitations_sent_by(team, user):
        invitation.cancelled_at = now()
        _record(Action.INVITATION_CANCELLED, invitation, by=by, client=client)


def forget_invitations_of(email: str | None) -> None:
    """Cancel every invitation to the address of a deleted user, and remove the address from all of them."""
    statement = update(Invitation).where(Invitation.email.in_(stored_forms(email or "")))
    db.session.execute(statement.where(*IS_OPEN).values(cancelled_at=now()))
    db.session.execute(statement.values(email=""))


def prune_invitations() -> int:
    """Delete the invitations that ended ninety days ago; return their number. The audit log keeps their events."""
    end = now() - KEPT_WHEN_OVER
    is_over = or_(Invitation.accepted_at < end, Invitation.cancelled_at < end, Invitation.expires_at < end)
    return affected_rows(delete(Invitation).where(is_over))


def _check_emails(emails: Sequence[str]) -> dict[str, int]:
    """Return the normalized addresses, each with its first index. Raises ValidationFailed."""
    faults: dict[str, str] = {}
    places: dict[str, int] = {}
    for place, email in enumerate(emails):
        if not email.strip():
            continue
        try:
            places.setdefault(checked_email(email), place)
        except ValidationFailed as failed:
            faults[f"emails.{place}"] = failed.fields["email"]
    if len(places) + len(faults) > MOST_AT_ONCE:
        raise ValidationFailed(emails=f"Invite at most {MOST_AT_ONCE} people at once")
    if not places and not faults:
        raise ValidationFailed(emails="Enter at least one email address")
    if faults:
        raise ValidationFailed(**faults)
    return places


def _count(team: Team, emails: Collection[str], by: User) -> None:
    """Count the mails against their limits, before any write. Raises RateLimited."""
    for email in emails:
        rate_limits.hit("invite", account=by.public_id)
        rate_limits.hit("invite-to", account=f"{team.public_id} {email}")


def _stored_forms_of(emails: Collection[str]) -> list[str]:
    return [form for email in emails for form in stored_forms(email)]


def _faults_of_known_emails(
    team: Team, requested: dict[str, int], known: dict[str, Invitation], rights: Rights
) -> dict[str, str]:
    """Return errors for addresses of members and of open invitations."""
    query = select(User.email).join(Membership, Membership.user_id == User.id)
    is_requested = User.email.in_(_stored_forms_of(requested))
    emails = db.session.scalars(query.where(Membership.team_id == team.id, is_requested))
    member_emails = {canonical(email or "") for email in emails}
    faults: dict[str, str] = {}
    for email, place in requested.items():
        if email in member_emails:
            faults[f"emails.{place}"] = f"{email} is a member already"
        elif email in known and known[email].state == InvitationState.OPEN:
            advice = "; resend that invitation instead"
            if known[email].rights != rights:
                known_rights = known[email].rights.title()
                advice = (
                    f" with {known_rights} rights; to change them, cancel that invitation and invite again"
                )
            faults[f"emails.{place}"] = f"{email} is invited already{advice}"
    return faults


def _create_or_renew(
    team: Team, email: str, rights: Rights, expired_invitation: Invitation | None, by: User
) -> Invitation:
    """Return a new invitation, or renew the expired one, because an address has at most one."""
    if expired_invitation is None:
        moment = now()
        times = {"created_at": moment, "sent_at": moment, "expires_at": moment + LIFETIME}
        invitation = Invitation(team=team, email=email, rights=rights, invited_by_id=by.id, **times)
        db.session.add(invitation)
    else:
        invitation = expired_invitation
        invitation.rights, invitation.invited_by_id = rights, by.id
        _renew(invitation)
    db.session.flush()
    return invitation


def _renew(invitation: Invitation) -> None:
    moment = now()
    invitation.link, invitation.sent_at, invitation.expires_at = new_link(), moment, moment + LIFETIME
    db.session.flush()


def _ensure_waiting(invitation: Invitation) -> None:
    if invitation.state in (InvitationState.ACCEPTED, InvitationState.CANCELLED):
        raise Gone(f"The invitation to {invitation.email} was {invitation.state} meanwhile.")


def _mail(invitation: Invitation, by: User) -> None:
    post(
        "invitation",
        invitation.email,
        link=invitation.link,
        team=invitation.team.name,
        inviter=by.full_name,
        rights=Rights(invitation.rights).title(),
    )


def _record(action: Action, invitation: Invitation, *, by: User, client: Client) -> None:
    record(
        action,
        by=by,
        team=invitation.team,
        subject=f"{invitation.email} ({Rights(invitation.rights).title()})",
        address=client.address,
        invitation=invitation.public_id,
        whom=invitation.email,
        new=invitation.rights,
    )

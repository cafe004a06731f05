"""Delete an account: revoke its credentials and anonymize it; the record of uses and actions stays."""

from dataclasses import dataclass

from sqlalchemy import delete, update

from reflow_accounts.api_keys.models import KeyOrigin
from reflow_accounts.api_keys.service import live_key_counts, revoke_all
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.models import (
    DeviceLogin,
    MailLink,
    Passkey,
    PasskeyChallenge,
    RecoveryCode,
    UserSession,
)
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.auth.step_up import WRONG_PASSWORD
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.mail.service import forget
from reflow_accounts.teams.invitations import cancel_all_by, cancel_all_of, forget_invitations_of
from reflow_accounts.teams.members import record_departure
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import (
    leave_every_team,
    lock_teams_of,
    memberships_of,
    service_accounts_of,
    teams_left_empty_by,
    teams_that_need,
)
from reflow_accounts.users.models import Appearance, User
from reflow_accounts.web.request_info import Client


@dataclass(frozen=True)
class Losses:
    """What a deletion would remove, and the teams that prevent it."""

    live_keys: int
    emptied: list[Team]
    in_need: list[Team]


def losses_of(user: User) -> Losses:
    """Return what a deletion of the account would remove."""
    return Losses(live_key_counts([user.id])[user.id], teams_left_empty_by(user), teams_that_need(user))


def delete_account(user: User, password: str, hasher: PasswordHasher, *, client: Client) -> None:
    """Delete the user's account. Of two concurrent calls, only one does.

    Also revokes the service account keys of a team without other people, as no Admin could revoke them,
    and cancels its invitations, as new members would have no Admin.
    Raises ValidationFailed for a wrong password, and Conflict while a team needs the user as its Admin.
    """
    if not hasher.matches(password, user.password_hash):
        raise ValidationFailed(password=WRONG_PASSWORD)
    # The same lock order as in changes to the members of a team.
    lock_teams_of(user)
    forget_invitations_of(user.email)
    name = user.full_name
    memberships = [(membership.team, membership.rights) for membership in memberships_of(user)]
    if not anonymize(user):
        return
    emptied = leave_every_team(user)
    revoke_all(user, by=user, client=client)
    for team, rights in memberships:
        if team not in emptied:
            cancel_all_by(team, user, by=user, client=client)
            record_departure(team, user, name, rights, client=client)
    for team in emptied:
        cancel_all_of(team)
        for account in service_accounts_of(team):
            revoke_all(account, by=user, client=client)
    record(Action.ACCOUNT_DELETED, by=user, account=user, address=client.address)


def anonymize(user: User) -> bool:
    """Remove the user's personal data and credentials; the row stays for the record of uses and actions.

    Returns whether this call did it; of concurrent calls, only one does.
    """
    at, email = now(), user.email
    user_update = (
        update(User)
        .where(User.id == user.id, User.deleted_at.is_(None))
        .values(
            full_name="Deleted user",
            email=None,
            password_hash=None,
            totp_secret=None,
            totp_on_at=None,
            totp_step=None,
            is_staff=False,
            appearance=Appearance.DEVICE,
            time_zone="UTC",
            deleted_at=at,
            # Every check for disabled users then also applies to deleted users.
            disabled_at=at,
        )
    )
    if not affected_rows(user_update):
        return False
    for model in (RecoveryCode, Passkey, PasskeyChallenge, MailLink, DeviceLogin, KeyOrigin):
        db.session.execute(delete(model).where(model.user_id == user.id))
    session_update = update(UserSession).where(UserSession.user_id == user.id)
    db.session.execute(session_update.where(UserSession.ended_at.is_(None)).values(ended_at=at))
    db.session.execute(session_update.values(address="", user_agent="", host=None))
    if email:
        forget(email)
    return True

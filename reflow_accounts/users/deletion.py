"""End an account: what opens anything dies, what tells who it was goes, the record of uses and acts stays."""

from dataclasses import dataclass

from sqlalchemy import delete, update

from reflow_accounts.api_keys.service import count_live_keys, revoke_all
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
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.mail.service import forget
from reflow_accounts.teams.invitations import cancel_all_of, forget_invitations_of
from reflow_accounts.teams.members import write_down_departure
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import (
    hold_teams_of,
    leave_every_team,
    memberships_of,
    service_accounts_of,
    teams_left_empty_by,
    teams_that_need,
)
from reflow_accounts.users.models import Appearance, User
from reflow_accounts.web.request_info import Client


@dataclass(frozen=True)
class Losses:
    """What goes with an account, and the teams that are in the way."""

    live_keys: int
    emptied: list[Team]
    in_need: list[Team]


def losses_of(user: User) -> Losses:
    """Return what deleting the account would end."""
    return Losses(count_live_keys(user), teams_left_empty_by(user), teams_that_need(user))


def delete_account(user: User, password: str, hasher: PasswordHasher, *, client: Client) -> None:
    """Delete the user's account for good. Of two calls at once, one does it.

    A team that nobody is left in loses the keys of its service accounts too, as nobody could revoke them,
    and its invitations: who came by one would find a team without an Admin.
    Raises ValidationFailed for a wrong password, and Conflict while a team needs the user as its Admin.
    """
    if not hasher.matches(password, user.password_hash):
        raise ValidationFailed(password="Password is not correct")  # noqa: S106  # pragma: allowlist secret
    # Held in the order in which who joins a team, or changes its people, holds them.
    hold_teams_of(user)
    forget_invitations_of(user.email)
    name, left = user.full_name, [(found.team, found.rights) for found in memberships_of(user)]
    if not anonymize(user):
        return
    emptied = leave_every_team(user)
    revoke_all(user, by=user, client=client)
    for team, rights in left:
        if team not in emptied:
            write_down_departure(team, user, name, rights, client=client)
    for team in emptied:
        cancel_all_of(team)
        for account in service_accounts_of(team):
            revoke_all(account, by=user, client=client)
    record(Action.ACCOUNT_DELETED, by=user, account=user, address=client.address)
    db.session.flush()


TOMBSTONE = "Deleted user"


def anonymize(user: User) -> bool:
    """Remove all that identifies a user or lets them in; the row stays, for the record of uses and acts.

    Say whether this call did it: of several at once one does.
    """
    at, email = now(), user.email
    buried = (
        update(User)
        .where(User.id == user.id, User.deleted_at.is_(None))
        .values(
            full_name=TOMBSTONE,
            email=None,
            password_hash=None,
            totp_secret=None,
            totp_on_at=None,
            totp_step=None,
            is_staff=False,
            appearance=Appearance.DEVICE,
            time_zone="UTC",
            deleted_at=at,
            # Whatever is closed to a disabled user is closed to a deleted one.
            disabled_at=at,
        )
    )
    if not affected_rows(buried):
        return False
    for owned in (RecoveryCode, Passkey, PasskeyChallenge, MailLink, DeviceLogin):
        db.session.execute(delete(owned).where(owned.user_id == user.id))
    sessions = update(UserSession).where(UserSession.user_id == user.id)
    db.session.execute(sessions.where(UserSession.ended_at.is_(None)).values(ended_at=at))
    db.session.execute(sessions.values(address="", user_agent="", host=None))
    if email:
        forget(email)
    return True

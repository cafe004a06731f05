"""End an account: what opens anything dies, what tells who it was goes, the record of uses and acts stays."""

from dataclasses import dataclass

from reflow_accounts.api_keys.service import count_live_keys, revoke_all
from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity.erasing import erase
from reflow_accounts.identity.models import User
from reflow_accounts.identity.passwords import PasswordHasher
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
from reflow_accounts.web.client import Client


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
    if not erase(user):
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

"""Join a team by invitation with a new account."""

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.mail_links import drop_sign_ups_of, lock_sign_ups_of
from reflow_accounts.auth.password_policy import fault_of_new
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.errors import Conflict, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.invitations import accept
from reflow_accounts.teams.models import Invitation
from reflow_accounts.users.models import User
from reflow_accounts.users.profile import add_hashed_person, checked_full_name
from reflow_accounts.web.request_info import Client


def join_with_new_account(
    invitation: Invitation, full_name: str, password: str, hasher: PasswordHasher, *, client: Client
) -> User:
    """Create an account for the invited address, which the link verifies, and add it to the team.

    Raises ValidationFailed for the name or the password, then RateLimited, Gone if the invitation is no longer
    open, and Conflict if the address has an account.
    """
    faults: dict[str, str] = {}
    name = full_name
    try:
        name = checked_full_name(full_name)
    except ValidationFailed as failed:
        faults.update(failed.fields)
    fault = fault_of_new(password, (name, invitation.email, invitation.team.name))
    if fault:
        faults["password"] = fault
    if faults:
        raise ValidationFailed(**faults)
    with rate_limits.attempt("sign-up", account=invitation.public_id, address=client.address):
        password_hash = hasher.hash(password)
    lock_sign_ups_of(invitation.email)
    try:
        user = add_hashed_person(name, invitation.email, password_hash)
    except ValidationFailed:
        raise Conflict("This email address has an account already. Log in to join.") from None
    accept(invitation, user, client=client)
    drop_sign_ups_of(invitation.email)
    record(Action.ACCOUNT_CREATED, by=user, account=user, address=client.address)
    return user

"""Sign-up: a mailed link stores the form's data until the link is confirmed."""

from collections.abc import Callable
from typing import Any

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.mail_links import add_link, drop_sign_ups_of, lock_sign_ups_of, use
from reflow_accounts.auth.models import LinkPurpose, MailLink
from reflow_accounts.auth.password_policy import fault_of_new
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.errors import Gone, ValidationFailed
from reflow_accounts.mail.service import post, resolver
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.models import LONGEST_NAME
from reflow_accounts.teams.service import add_team, checked_team_name
from reflow_accounts.users.models import User
from reflow_accounts.users.profile import add_hashed_person, checked_full_name
from reflow_accounts.web.request_info import Client


def ask(
    full_name: str,
    email: str,
    team_name: str | None,
    password: str,
    *,
    hasher: PasswordHasher,
    marker: str,
    client: Client,
) -> None:
    """Queue a mail to `email` with a sign-up link, or with a notice that an account exists.

    The mail job decides which; both cost the request one hash and one row. Without `team_name` the team is named
    after the person. Only the browser that has `marker` can confirm the link without the password.
    Raises ValidationFailed with a message for each invalid field, which does not count as an attempt, and RateLimited.
    """
    faults: dict[str, str] = {}

    def check_field(check: Callable[[str], str], value: str) -> str:
        try:
            return check(value)
        except ValidationFailed as failed:
            faults.update(failed.fields)
            return value

    name, address = check_field(checked_full_name, full_name), check_field(checked_email, email)
    team = _default_team_name(name) if team_name is None else check_field(checked_team_name, team_name)
    fault = fault_of_new(password, (name, address, team_name or ""))
    if fault:
        faults["password"] = fault
    if faults:
        raise ValidationFailed(**faults)
    with rate_limits.attempt("sign-up", account=address, address=client.address):
        password_hash = hasher.hash(password)
    post(
        "sign_up",
        address,
        full_name=name,
        team_name=team,
        password_hash=password_hash,
        marker=digest_of(marker).hex(),
    )


def _default_team_name(person: str) -> str:
    ending = "'s team"
    return person[: LONGEST_NAME - len(ending)] + ending


@resolver("sign_up")
def answer_sign_up(to: str, data: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Mail the address: a sign-up link, or, if it has an account, how to log in."""
    if find_by_email(to):
        return [("already_registered", to, {})]
    link = add_link(LinkPurpose.SIGN_UP, to, **data)
    return [("verify_email", to, {"link": link.public_id})]


def is_from(link: MailLink, marker: str | None) -> bool:
    """Return whether `marker` is that of the browser that signed up."""
    return marker is not None and digest_of(marker).hex() == link.data["marker"]


def confirm(link: MailLink, *, client: Client) -> User:
    """Create the account and its team, with the account as first Admin.

    Raises Gone if the link was used, or the address has an account in the meantime.
    """
    details = dict(link.data)
    lock_sign_ups_of(link.email)
    if not use(link):
        raise Gone("This link does not work any more.")
    try:
        user = add_hashed_person(details["full_name"], link.email, details["password_hash"])
    except ValidationFailed:
        raise Gone("This email address has an account already.") from None
    team = add_team(details["team_name"], user)
    drop_sign_ups_of(link.email)
    record(Action.ACCOUNT_CREATED, by=user, account=user, team=team, address=client.address)
    return user

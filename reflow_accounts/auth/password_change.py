"""Change a password with the current one, or reset it with a mailed link."""

from typing import Any

from sqlalchemy import update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.mail_links import add_link, count_recent, drop_links_of, lock_links_of, use
from reflow_accounts.auth.models import LinkPurpose, MailLink, UserSession
from reflow_accounts.auth.password_policy import fault_of_new, personal_words_of
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.auth.sessions import end_sessions_of
from reflow_accounts.database import affected_rows, db
from reflow_accounts.errors import Gone, ValidationFailed
from reflow_accounts.mail.service import post, resolver
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

# Per hour, the lifetime of a link: a user who reaches the limit has a mail that still works.
MOST_RESET_MAILS = 3
WRONG = "Current password is not correct"


def change(
    user: User,
    current: str,
    new: str,
    hasher: PasswordHasher,
    *,
    session: UserSession | None,
    by: User,
    client: Client,
) -> None:
    """Set a new password and end every session except `session`; API keys stay valid.

    Raises ValidationFailed if `current` is wrong or `new` breaks the password policy.
    """
    stored_hash = user.password_hash
    # Before any hash: the rate limit does not count requests that this refuses.
    if fault := fault_of_new(new, personal_words_of(user)):
        raise ValidationFailed(new_password=fault)
    if not hasher.matches(current, stored_hash):
        raise ValidationFailed(current_password=WRONG)
    if not _set(user, hasher.hash(new), instead_of=stored_hash):
        raise ValidationFailed(current_password=WRONG)
    end_sessions_of(user, but=session)
    _finish(Action.PASSWORD_CHANGED, user, by=by, client=client)


def ask_reset(email: str, *, client: Client | None) -> None:
    """Queue a mail to `email`. The mail job checks for an account, so that the request's duration reveals nothing.

    `client` None is an operator. Raises ValidationFailed for an invalid address, and RateLimited for too many
    requests of one client.
    """
    address = checked_email(email)
    # Not counted by account: strangers could block the owner's reset. `answer_forgot` limits the mails.
    if client:
        rate_limits.hit("forgot", address=client.address)
    post("forgot", address)


@resolver("forgot")
def answer_forgot(to: str, data: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Mail a reset link if the address belongs to a person who can sign in, at most MOST_RESET_MAILS an hour."""
    user = find_by_email(to)
    if user is None or not _may_reset(user):
        return []
    if rate_limits.are_on() and count_recent(LinkPurpose.RESET_PASSWORD, user) >= MOST_RESET_MAILS:
        return []
    assert user.email
    # Not `to`: the stored form is the one that was verified.
    link = add_link(LinkPurpose.RESET_PASSWORD, user.email, user=user)
    return [("reset_password", user.email, {"link": link.public_id})]


def user_of(link: MailLink) -> User | None:
    """Return the user whose password the link resets; None if the user can no longer reset it."""
    user = db.session.get(User, link.user_id)
    return user if user and _may_reset(user) and user.email == link.email else None


def reset(link: MailLink, new: str, hasher: PasswordHasher, *, client: Client) -> None:
    """Set a new password for the link's user and end every session; the second factor stays.

    Raises ValidationFailed if `new` breaks the password policy (the link stays valid), Gone for an invalid link.
    """
    user = user_of(link)
    if user is None:
        raise Gone("This link does not work any more.")
    fault = fault_of_new(new, personal_words_of(user))
    if fault:
        raise ValidationFailed(new_password=fault)
    # Hash before the first write, which blocks all other writers on SQLite.
    password_hash = hasher.hash(new)
    lock_links_of(user)
    if not use(link):
        raise Gone("This link does not work any more.")
    _set(user, password_hash)
    end_sessions_of(user)
    _finish(Action.PASSWORD_RESET, user, by=user, client=client)


def _may_reset(user: User) -> bool:
    return user.is_person and user.disabled_at is None and user.deleted_at is None


def _set(user: User, password_hash: str, *, instead_of: str | None = None) -> bool:
    """Store the password; with `instead_of`, only if that hash is still stored (optimistic lock)."""
    query = update(User).where(User.id == user.id)
    if instead_of:
        query = query.where(User.password_hash == instead_of)
    return bool(affected_rows(query.values(password_hash=password_hash)))


def _finish(action: Action, user: User, *, by: User, client: Client) -> None:
    # An older reset link must not undo this change.
    drop_links_of(user)
    record(action, by=by, account=user, subject=client.device, address=client.address)
    assert user.email
    post("password_changed", user.email, device=client.device)

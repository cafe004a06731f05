"""`reflow-accounts users`: create and manage people."""

import sys

import click
from flask.cli import AppGroup

from reflow_accounts.auth.login import checked_email, find_by_email
from reflow_accounts.auth.password_change import ask_reset
from reflow_accounts.auth.password_policy import fault_of_new
from reflow_accounts.auth.passwords import LONGEST_PASSWORD, hasher
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.commands.workers import warn_without_mail_server
from reflow_accounts.database import db
from reflow_accounts.errors import ValidationFailed
from reflow_accounts.users import admin
from reflow_accounts.users.profile import checked_full_name

_COLUMNS = ("ID", "EMAIL", "NAME", "STAFF", "DISABLED", "SECOND FACTOR", "LAST ACTIVE")
_WIDTHS = (28, 32, 24, 6, 9, 14, 0)
_NOTHING = "-"

users = AppGroup("users", help="People and service accounts.")
_reason = click.option("--reason", required=True, help="Kept in the audit log.")


@users.command("create")
@click.argument("email")
@click.option("--name", required=True, help="The full name.")
@click.option("--staff", is_flag=True, help="Make the person support staff.")
@click.option("--password-stdin", is_flag=True, help="Read the password, one line, from standard input.")
@click.option("--mail-link", is_flag=True, help="Mail the person a link to choose a password.")
@handle_errors
def create_user(email: str, name: str, staff: bool, password_stdin: bool, mail_link: bool) -> None:
    """Create a person who signs in with EMAIL.

    On a terminal, prompts for the password. Otherwise mails a link to choose a password, which works for an hour.
    """
    if password_stdin and mail_link:
        raise click.UsageError("Choose --password-stdin or --mail-link.")
    # Checked before the password prompt.
    full_name, address = checked_full_name(name), checked_email(email)
    if find_by_email(address):
        raise ValidationFailed(email="This email address has an account already")
    by_mail = mail_link or not (password_stdin or sys.stdin.isatty())
    password = None if by_mail else _read_password(password_stdin, (full_name, address))
    password_hash = hasher().hash(password) if password is not None else None
    user = admin.create_person(full_name, address, password_hash, is_staff=staff, by=None)
    if by_mail:
        ask_reset(address, client=None)
    db.session.commit()
    click.echo(f"{user.full_name} was created ({user.public_id}).")
    if by_mail:
        click.echo(f"A link to choose a password is mailed to {user.email}. It works for an hour.")
        warn_without_mail_server()


@users.command("list")
@handle_errors
def list_users() -> None:
    """List all users: aligned on a terminal, else separated by tabs."""
    is_terminal = sys.stdout.isatty()
    if is_terminal:
        click.echo(_align_cells(_COLUMNS))
    for user in admin.users():
        factors = [
            name for name, is_set in (("totp", user.has_totp), ("passkey", user.has_passkey)) if is_set
        ]
        cells = (
            user.public_id,
            user.email or _NOTHING,
            user.full_name,
            "staff" if user.is_staff else _NOTHING,
            "deleted" if user.deleted_at else "disabled" if user.disabled_at else _NOTHING,
            "+".join(factors) or _NOTHING,
            f"{user.last_active_at:%Y-%m-%dT%H:%M:%SZ}" if user.last_active_at else _NOTHING,
        )
        click.echo(_align_cells(cells) if is_terminal else "\t".join(cells))


@users.command("staff")
@click.argument("email")
@click.argument("state", type=click.Choice(["on", "off"]))
@_reason
@handle_errors
def set_staff(email: str, state: str, reason: str) -> None:
    """Make the person with EMAIL (or this id) support staff (on), or not (off)."""
    user = admin.person_of(email)
    is_changed = admin.set_staff(user, state == "on", reason, by=None)
    db.session.commit()
    role = "support staff" if state == "on" else "not support staff"
    click.echo(f"{user.full_name} is {'now' if is_changed else 'already'} {role}.")
    if state == "on" and user.disabled_at:
        click.echo(
            f"{user.full_name} is disabled and cannot log in: `users enable {email} --reason …` allows it."
        )


@users.command("disable")
@click.argument("email")
@_reason
@handle_errors
def disable_user(email: str, reason: str) -> None:
    """Disable the user with EMAIL (or this id): end the sessions and refuse the API keys, immediately."""
    user = admin.user_of(email)
    is_changed = admin.disable(user, reason, by=None)
    db.session.commit()
    click.echo(f"{user.full_name} is {'now' if is_changed else 'already'} disabled.")


@users.command("enable")
@click.argument("email")
@_reason
@handle_errors
def enable_user(email: str, reason: str) -> None:
    """Enable the user with EMAIL (or this id) again: API keys work again, sessions stay ended."""
    user = admin.user_of(email)
    is_changed = admin.enable(user, reason, by=None)
    db.session.commit()
    click.echo(f"{user.full_name} is {'now' if is_changed else 'already'} enabled.")


@users.command("end-sessions")
@click.argument("email")
@_reason
@handle_errors
def end_sessions(email: str, reason: str) -> None:
    """End all sessions of the person with EMAIL (or this id); API keys keep working."""
    user = admin.person_of(email)
    count = admin.sign_out(user, reason, by=None)
    db.session.commit()
    click.echo(f"{count} session{'' if count == 1 else 's'} of {user.full_name} ended.")


@users.command("reset-second-factor")
@click.argument("email")
@_reason
@handle_errors
def reset_second_factor(email: str, reason: str) -> None:
    """Remove authenticator app, recovery codes and passkeys of the person with EMAIL (or this id).

    Verify the identity of the person first: afterwards the password alone signs in. The person is told by mail.
    """
    user = admin.person_of(email)
    is_removed = admin.reset_second_factor(user, reason, by=None)
    db.session.commit()
    click.echo(f"{user.full_name} {'now has' if is_removed else 'has'} no second factor.")


def _read_password(from_stdin: bool, personal: tuple[str, ...]) -> str:
    """Return the password exactly as typed.

    Raises ValidationFailed for a weak one, e.g. from `personal` words, and UnicodeError for one that is not UTF-8.
    """
    if from_stdin:
        # Read one line, at most a little more than the longest password.
        password = sys.stdin.readline(LONGEST_PASSWORD + 3).removesuffix("\n").removesuffix("\r")
    else:
        password = click.prompt(
            "Password", hide_input=True, confirmation_prompt="Repeat the password", err=True
        )
    password.encode()  # raises UnicodeError for bytes that are not UTF-8
    fault = fault_of_new(password, personal)
    if fault:
        raise ValidationFailed(password=fault)
    return password


def _align_cells(cells: tuple[str, ...]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, _WIDTHS, strict=True)).rstrip()

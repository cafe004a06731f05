"""`reflow login` and `reflow logout`."""

from __future__ import annotations

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import Kind
from reflow_accounts.cli.login.password import session_with_password
from reflow_accounts.cli.login.sessions import log_in, log_in_by_browser, log_out
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document


@click.command()
@click.option("--with-password", is_flag=True, help="Log in with email and password instead.")
@click.option("--email", metavar="EMAIL", help="The email; asked for on a terminal when left out.")
@click.option("--otp", metavar="CODE", help="The authenticator app's code; asked for when it is needed.")
@common_options
@pass_context
def login(context: Context, with_password: bool, email: str | None, otp: str | None) -> None:
    """Log in through your browser, or with a password.

    Shows a code and the address of a page. Enter the code there, on any machine where you are logged in
    or can log in, and approve it; the command waits up to ten minutes.

    With --with-password it asks for the email and the password on a terminal, and for the code of your
    authenticator app when two-factor authentication is on. In a script, give --email, --otp when it is on,
    and the password as one line on stdin.

    The login is kept in ~/.reflow/session.json, and its server becomes the one that later commands use.
    """
    if with_password or email is not None or otp is not None:
        answer = log_in(context, lambda context: session_with_password(context, email, otp))
    else:
        answer = log_in_by_browser(context)
    if context.as_json:
        document(answer)
    _say_what_wins(context, "Commands use {0}, which comes before the login.")


@click.command()
@common_options
@pass_context
def logout(context: Context) -> None:
    """Log out of the server and forget the login."""
    if log_out(context):
        context.tell(f"Logged out at {context.server}.")
    else:
        context.tell(f"You were not logged in at {context.server}.")
    _say_what_wins(context, "Commands still use {0}.")


def _say_what_wins(context: Context, sentence: str) -> None:
    winner = next(iter(context.places()), None)
    if winner and winner.kind not in (Kind.LOGIN, Kind.OPTION):
        context.tell(sentence.format(winner))

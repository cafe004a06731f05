"""`reflow login` and `reflow logout`."""

from __future__ import annotations

import click

from reflow_accounts.cli.credentials import Kind
from reflow_accounts.cli.login.signing_in import log_in, log_in_by_browser, log_out
from reflow_accounts.cli.login.with_password import session_with_password
from reflow_accounts.cli.options import common_options, pass_run
from reflow_accounts.cli.output import document
from reflow_accounts.cli.run import Run


@click.command()
@click.option("--with-password", is_flag=True, help="Log in with email and password instead.")
@click.option("--email", metavar="EMAIL", help="The email; asked for on a terminal when left out.")
@click.option("--otp", metavar="CODE", help="The authenticator app's code; asked for when it is needed.")
@common_options
@pass_run
def login(run: Run, with_password: bool, email: str | None, otp: str | None) -> None:
    """Log in through your browser, or with a password.

    Shows a code and the address of a page. Enter the code there, on any machine where you are logged in
    or can log in, and approve it; the command waits up to ten minutes.

    With --with-password it asks for the email and the password on a terminal, and for the code of your
    authenticator app when two-factor authentication is on. In a script, give --email, --otp when it is on,
    and the password as one line on stdin.

    The login is kept in ~/.reflow/session.json, and its server becomes the one that later commands use.
    """
    if with_password or email is not None or otp is not None:
        answer = log_in(run, lambda run: session_with_password(run, email, otp))
    else:
        answer = log_in_by_browser(run)
    if run.as_json:
        document(answer)
    _say_what_wins(run, "Commands use {0}, which comes before the login.")


@click.command()
@common_options
@pass_run
def logout(run: Run) -> None:
    """Log out of the server and forget the login."""
    if log_out(run):
        run.tell(f"Logged out at {run.server}.")
    else:
        run.tell(f"You were not logged in at {run.server}.")
    _say_what_wins(run, "Commands still use {0}.")


def _say_what_wins(run: Run, sentence: str) -> None:
    winner = next(iter(run.places()), None)
    if winner and winner.kind not in (Kind.LOGIN, Kind.OPTION):
        run.tell(sentence.format(winner))

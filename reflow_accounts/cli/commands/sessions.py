"""`reflow login` and `reflow logout`."""

from __future__ import annotations

import click

from reflow_accounts.cli.credentials import Kind
from reflow_accounts.cli.options import common_options, pass_run
from reflow_accounts.cli.output import document
from reflow_accounts.cli.run import Run
from reflow_accounts.cli.signing_in import log_in, log_out


@click.command()
@click.option("--with-password", is_flag=True, help="Log in with email and password (the default).")
@click.option("--email", metavar="EMAIL", help="The email; asked for on a terminal when left out.")
@click.option("--otp", metavar="CODE", help="The authenticator app's code; asked for when it is needed.")
@common_options
@pass_run
def login(run: Run, with_password: bool, email: str | None, otp: str | None) -> None:
    """Log in with a password.

    Asks for the email and the password on a terminal, and for the code of your authenticator app when
    two-factor authentication is on. In a script, give --email, --otp when it is on, and the password
    as one line on stdin. The login is kept in ~/.reflow/session.json, and its server becomes the one
    that later commands use.
    """
    answer = log_in(run, email, otp)
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

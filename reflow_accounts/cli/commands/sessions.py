"""`reflow login` and `reflow logout`."""

from __future__ import annotations

import click

from reflow_accounts.cli.context import Context
from reflow_accounts.cli.credentials import Kind
from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.login.device_flow import log_in_with_browser
from reflow_accounts.cli.login.sessions import log_in_with_password, log_in_with_token, log_out
from reflow_accounts.cli.options import common_options, pass_context
from reflow_accounts.cli.output import document, tell


@click.command()
@click.option("--with-password", is_flag=True, help="Log in with email and password instead.")
@click.option("--with-token", is_flag=True, help="Store the API key on stdin as the login.")
@click.option("--email", metavar="EMAIL", help="Your email; if omitted, asks on a terminal.")
@click.option(
    "--otp", metavar="CODE", help="The code of your authenticator app; if omitted, asks when needed."
)
@common_options
@pass_context
def login(
    context: Context, with_password: bool, with_token: bool, email: str | None, otp: str | None
) -> None:
    """Log in through your browser, or with a password.

    Shows a code and the address of a page. Enter the code there, on any machine where you are logged in
    or can log in, and approve it; the command waits up to ten minutes.

    With --with-password it prompts for email and password on a terminal, and for the code of your
    authenticator app if two-factor authentication is on. In a script, use --email, --otp if it is on, and
    give the password as one line on stdin.

    With --with-token it reads an API key or the text of a key file from stdin, tries it and stores it.

    Logins are stored in ~/.reflow/session.json, one for each server. Name the server with --server.
    """
    uses_password = with_password or email is not None or otp is not None
    if with_token and uses_password:
        raise UsageFault("Use --with-token without --with-password, --email and --otp.")
    if not uses_password and not with_token and not context.may_ask:
        raise UsageFault(
            "A login needs a terminal and a person. In CI use an API key (see reflow --help); in a script use "
            "--with-password --email EMAIL and give the password on stdin."
        )
    store = context.store_for_login()
    if with_token:
        session = log_in_with_token(context.environment, store)
    elif uses_password:
        session = log_in_with_password(context.login_server, store, email, otp, may_ask=context.may_ask)
    else:
        session = log_in_with_browser(context.login_server, store, context.environ)
    if context.as_json:
        document(session)
    _tell_used_credential(context, "Commands use {0}, which comes before the login.")


@click.command()
@common_options
@pass_context
def logout(context: Context) -> None:
    """Log out of the server and forget the login."""
    if context.key_file is not None:
        raise UsageFault(
            "reflow logout ends the login, not an API key. Leave -k out, or use reflow keys revoke."
        )
    was_logged_in = bool(context.store and log_out(context.login_server, context.store))
    if context.as_json:
        document({"server": context.login_server, "logged_out": was_logged_in})
    if was_logged_in:
        tell(f"Logged out at {context.login_server}.")
    else:
        tell(f"You were not logged in at {context.login_server}.")
    _tell_used_credential(context, "Commands still use {0}.")


def _tell_used_credential(context: Context, sentence: str) -> None:
    used = next(iter(context.sources()), None)
    if used and used.kind not in (Kind.LOGIN, Kind.OPTION):
        tell(sentence.format(used))

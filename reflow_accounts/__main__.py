"""`reflow-accounts`: the command that serves the site and runs operator commands where the wheel is installed."""

import sys

from reflow_accounts import __version__

# Printed by the base install, which has no Flask, instead of a traceback.
NOT_INSTALLED = """\
reflow-accounts: only the command reflow is installed here. The site is the extra [server]: run \
pipx install --force '.[server]' in the checkout."""


def main() -> None:
    """Run an operator command, as `flask --app wsgi` does in a checkout.

    Exits with one sentence if only the command `reflow` is installed, if a setting is invalid, or if the output
    cannot be written.
    """
    try:
        import click
        from flask.cli import FlaskGroup

        from reflow_accounts.app import load_app
        from reflow_accounts.commands.errors import exit_if_unwritable
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("reflow_accounts"):
            raise
        sys.exit(NOT_INSTALLED)
    commands = FlaskGroup(
        help="Serve Reflow Accounts and work on its users, teams and data.",
        create_app=load_app,
        add_default_commands=False,
        add_version_option=False,
        load_dotenv=False,
    )
    # No options such as --app: there is only one application.
    commands.params = []
    versioned = click.version_option(__version__, prog_name="reflow-accounts", message="%(prog)s %(version)s")
    try:
        versioned(commands).main(prog_name="reflow-accounts")
    except OSError as error:  # of --help, for example, which runs no command
        exit_if_unwritable(error)
        raise


if __name__ == "__main__":
    main()

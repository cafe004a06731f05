"""Operator commands `reflow-accounts …`; here `config`, `demo` and `serve`."""

import sys

import click
from flask import Flask, current_app

from reflow_accounts import demo, server
from reflow_accounts.commands.backup import backup, check_backup, copy_to
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.commands.subscriptions import subscriptions, teams
from reflow_accounts.commands.users import users
from reflow_accounts.commands.uses import uses
from reflow_accounts.commands.workers import ask_aws, try_mail, work_on_events, work_on_mail
from reflow_accounts.config import DEFAULT_HOST, DEFAULT_PORT


@click.command("config")
@handle_errors
def show_config() -> None:
    """Print the effective settings, secrets masked."""
    for name, value in current_app.config["SETTINGS"].masked_values().items():
        click.echo(f"{name}={value}")


@click.command("demo")
@handle_errors
def seed_demo() -> None:
    """Add the demo accounts; existing data stays unchanged."""
    if current_app.config["SETTINGS"].is_production:
        sys.exit("reflow-accounts: demo data is refused in production (REFLOW_ENV=production).")
    demo.seed()
    click.echo(demo.table())


@click.command("serve")
@click.option("--host", envvar="HOST", show_envvar=True, default=DEFAULT_HOST, show_default=True)
@click.option(
    "--port",
    envvar="PORT",
    show_envvar=True,
    type=click.IntRange(1, 65535),
    default=DEFAULT_PORT,
    show_default=True,
)
def serve(host: str, port: int) -> None:
    """Upgrade the database and serve with the production server."""
    server.serve(current_app._get_current_object(), host, port)  # type: ignore[attr-defined]


def init_app(app: Flask) -> None:
    """Add the commands to the application."""
    own, groups = (show_config, seed_demo, serve), (subscriptions, teams, users, uses)
    for command in (
        *own,
        backup,
        check_backup,
        copy_to,
        work_on_mail,
        try_mail,
        work_on_events,
        ask_aws,
        *groups,
    ):
        app.cli.add_command(command)

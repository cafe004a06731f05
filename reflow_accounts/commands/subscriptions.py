"""`flask subscriptions`: whether a team is paid for."""

import click
from flask.cli import AppGroup

from reflow_accounts.commands.plainly import said_plainly
from reflow_accounts.extensions import db
from reflow_accounts.subscriptions.service import set_active
from reflow_accounts.teams.service import find_team

subscriptions = AppGroup("subscriptions", help="Subscriptions of teams.")


@subscriptions.command("set")
@click.argument("team")
@click.argument("state", type=click.Choice(["active", "inactive"]))
@click.option("--reason", required=True, help="Kept in the team's history.")
@said_plainly
def set_subscription(team: str, state: str, reason: str) -> None:
    """Set the subscription of TEAM (its id, or its name when only one team has it)."""
    changed = set_active(find_team(team), state == "active", reason, by=None)
    db.session.commit()
    click.echo(f"{team} is {'now' if changed else 'already'} {state}.")

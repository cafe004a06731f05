"""`flask subscriptions`: whether a team is paid for."""

from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from reflow_accounts.commands.plainly import said_plainly
from reflow_accounts.extensions import db
from reflow_accounts.subscriptions import changing
from reflow_accounts.subscriptions.service import standing_of
from reflow_accounts.teams.service import find_team

subscriptions = AppGroup("subscriptions", help="Subscriptions of teams.")

_REASON = click.option("--reason", required=True, help="Kept in the team's history.")


@subscriptions.command("set")
@click.argument("team")
@click.argument("state", type=click.Choice(["active", "inactive"]))
@_REASON
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="When AWS Marketplace decides again, UTC. Without it: in 30 days for active, never for inactive.",
)
@click.option("--ticket", default="", help="The number of the request at the support desk.")
@said_plainly
def set_subscription(team: str, state: str, reason: str, until: datetime | None, ticket: str) -> None:
    """Set the subscription of TEAM (its id, or its name when only one team has it), whatever AWS says."""
    found = find_team(team)
    end = until.replace(tzinfo=UTC) if until else None
    changed = changing.set_active(found, state == "active", reason, by=None, until=end, ticket=ticket)
    db.session.commit()
    if not changed:
        click.echo(f"{team} is already {state}.")
        return
    override = standing_of(found).override
    last = override.expires_at if override else None
    click.echo(f"{team} is now {state}" + (f" until {last:%Y-%m-%d %H:%M} UTC." if last else "."))


@subscriptions.command("lift")
@click.argument("team")
@_REASON
@said_plainly
def lift_override(team: str, reason: str) -> None:
    """End what was set for TEAM, so that AWS Marketplace decides again."""
    found = find_team(team)
    changed = changing.lift(found, reason, by=None)
    db.session.commit()
    words = "The override ended" if changed else "There is no override"
    click.echo(f"{words}: {team} is {standing_of(found).state}.")

"""`reflow-accounts teams` and `reflow-accounts subscriptions`: create teams, and override their subscriptions."""

from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict
from reflow_accounts.subscriptions import overrides
from reflow_accounts.subscriptions.service import status_of
from reflow_accounts.teams.service import add_team, find_team
from reflow_accounts.users.admin import person_of

teams = AppGroup("teams", help="Teams and their owners.")
subscriptions = AppGroup("subscriptions", help="Subscriptions of teams.")


class _End(click.DateTime):
    """A minute, or a day up to its last second."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        moment: datetime = super().convert(value, param, ctx)
        return moment if "T" in str(value) else moment.replace(hour=23, minute=59, second=59)


_REASON = click.option("--reason", required=True, help="Kept in the team's history.")


@subscriptions.command("set")
@click.argument("team")
@click.argument("state", type=click.Choice(["active", "inactive"]))
@_REASON
@click.option(
    "--until",
    type=_End(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="End of the override, UTC: its last day, or a minute. Default: none for inactive; 30 days for active, or no "
    "override while AWS reports an active licence without an end.",
)
@click.option("--ticket", default="", help="The number of the request at the support desk.")
@handle_errors
def set_subscription(team: str, state: str, reason: str, until: datetime | None, ticket: str) -> None:
    """Override the subscription of TEAM (its id, or its name if unique), whatever AWS reports."""
    row = find_team(team)
    end = until.replace(tzinfo=UTC) if until else None
    is_changed = overrides.set_active(row, state == "active", reason, by=None, until=end, ticket=ticket)
    db.session.commit()
    override = status_of(row).override
    last = f" until {override.expires_at:%Y-%m-%d %H:%M} UTC" if override and override.expires_at else ""
    if is_changed:
        click.echo(f"{team} is now {state}{last}.")
    elif override:
        click.echo(f"{team} is already {state}{last}, by support.")
    else:
        click.echo(
            f"{team} is already {state}: AWS Marketplace says so. "
            f"With --until it stays {state} until then, whatever AWS Marketplace says."
        )


@subscriptions.command("lift")
@click.argument("team")
@_REASON
@handle_errors
def lift_override(team: str, reason: str) -> None:
    """End the override of TEAM, so that AWS Marketplace decides again."""
    row = find_team(team)
    is_changed = overrides.lift(row, reason, by=None)
    db.session.commit()
    outcome = "The override ended" if is_changed else "There is no override"
    click.echo(f"{outcome}: {team} is {status_of(row).state}.")


@teams.command("create")
@click.argument("name")
@click.option("--owner", required=True, metavar="EMAIL", help="The person who becomes its first Admin.")
@handle_errors
def create_team(name: str, owner: str) -> None:
    """Create the team NAME. Its subscription is inactive at first."""
    person = person_of(owner)
    if person.disabled_at:
        raise Conflict(f"{person.full_name} is disabled. Enable them first: `users enable {person.email}`.")
    team = add_team(name, person)
    record(Action.TEAM_CREATED, by=None, account=person, team=team, subject=team.name)
    db.session.commit()
    click.echo(f"{team.name} was created ({team.public_id}). {person.full_name} is its Admin.")

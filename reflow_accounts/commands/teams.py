"""`flask teams`: teams and who owns them."""

import click
from flask.cli import AppGroup

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict
from reflow_accounts.teams.service import add_team
from reflow_accounts.users.admin import person_of

teams = AppGroup("teams", help="Teams and who owns them.")


@teams.command("create")
@click.argument("name")
@click.option("--owner", required=True, metavar="EMAIL", help="The person who becomes its first Admin.")
@handle_errors
def create_team(name: str, owner: str) -> None:
    """Make the team NAME. Its subscription is not active until it is set."""
    person = person_of(owner)
    if person.disabled_at:
        raise Conflict(f"{person.full_name} is disabled. Enable them first: `users enable {person.email}`.")
    team = add_team(name, person)
    record(Action.TEAM_CREATED, by=None, account=person, team=team, subject=team.name)
    db.session.commit()
    click.echo(f"{team.name} was created ({team.public_id}). {person.full_name} is its Admin.")

"""Operator commands: `flask --app wsgi …`."""

import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import wraps

import click
from flask import Flask, current_app
from flask.cli import AppGroup
from sqlalchemy.exc import DatabaseError

from reflow_accounts import chores, demo, serving
from reflow_accounts.api_keys.folding import fold
from reflow_accounts.api_keys.retention import prune
from reflow_accounts.api_keys.verifying import count_keys, differences
from reflow_accounts.errors import DomainError
from reflow_accounts.extensions import db, now
from reflow_accounts.mail.service import post
from reflow_accounts.subscriptions.service import set_active
from reflow_accounts.teams.service import find_team


def said_plainly(act: Callable[..., None]) -> Callable[..., None]:
    """Have a command end with one sentence, never a traceback, when it is refused or the database is away."""

    @wraps(act)
    def run(*arguments: object, **options: object) -> None:
        try:
            act(*arguments, **options)
        except DomainError as error:
            sys.exit(f"reflow-accounts: {error}")
        except DatabaseError:
            sys.exit(
                "reflow-accounts: the database cannot be used. Run `flask --app wsgi db upgrade` if it is new, "
                "or check REFLOW_DATABASE_URL."
            )
        except UnicodeError:
            sys.exit("reflow-accounts: an argument is not valid text. Write it in UTF-8.")

    return run


uses = AppGroup("uses", help="The log of the uses of API keys.")
subscriptions = AppGroup("subscriptions", help="Subscriptions of teams.")


@click.command("config")
def show_config() -> None:
    """Print the effective settings, secrets masked."""
    for name, value in current_app.config["SETTINGS"].masked().items():
        click.echo(f"{name}={value}")


@click.command("demo")
@said_plainly
def seed_demo() -> None:
    """Add the demo accounts; what is there already stays as it is."""
    if current_app.config["SETTINGS"].is_production:
        sys.exit("reflow-accounts: demo data is refused in production (REFLOW_ENV=production).")
    demo.seed()
    click.echo(demo.table())


@click.command("serve")
@click.option("--host", envvar="HOST", default="127.0.0.1", show_default=True)
@click.option("--port", envvar="PORT", type=click.IntRange(1, 65535), default=5000, show_default=True)
def serve(host: str, port: int) -> None:
    """Bring the database up to date and serve with the production server."""
    serving.serve(current_app._get_current_object(), host, port)  # type: ignore[attr-defined]


@click.command("mail-worker")
def work_on_mail() -> None:
    """Send mail until stopped (SIGTERM or Ctrl-C); the message in hand is finished first."""
    worker = chores.send_mail(current_app._get_current_object())  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    click.echo("Sending mail (Ctrl-C stops it)")
    worker.run()


@click.command("mail-test")
@click.argument("address")
@said_plainly
def try_mail(address: str) -> None:
    """Put a test message to ADDRESS into the outbox; whoever sends mail sends it."""
    post("trial", address)
    db.session.commit()
    click.echo(f"A message to {address} is in the outbox.")


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


@uses.command("verify")
@said_plainly
def verify_uses() -> None:
    """Count the log of uses again and compare it with the totals, key by key."""
    found = list(differences())
    for one in found:
        click.echo(f"{one.key_id}: the total says {one.counted}, the log says {one.logged}")
    if found:
        sys.exit(f"{len(found)} keys differ. Nothing was changed.")
    click.echo(f"The totals of {count_keys()} keys agree with the log.")


@uses.command("prune")
@click.option("--older-than", type=click.IntRange(min=1), required=True, metavar="DAYS", help="Age in days.")
@said_plainly
def prune_uses(older_than: int) -> None:
    """Remove old uses from the log; the number of times that a key was used stays as it is."""
    removed = prune(now() - timedelta(days=older_than))
    click.echo(f"{removed} uses older than {older_than} days were removed; all totals were kept.")


@uses.command("fold")
@said_plainly
def fold_uses() -> None:
    """Fold the newest uses into the totals now (requests do it by themselves from time to time)."""
    fold()
    click.echo("Every use is folded.")


def bind(app: Flask) -> None:
    """Add the commands to the application."""
    for command in (show_config, seed_demo, serve, work_on_mail, try_mail, subscriptions, uses):
        app.cli.add_command(command)

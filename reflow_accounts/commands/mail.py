"""`flask --app wsgi mail-worker` and `mail-test`: send mail in a process of its own; see whether mail arrives."""

import signal
import sys

import click
from flask import current_app

from reflow_accounts import background_jobs
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.config import envelope_address
from reflow_accounts.database import db
from reflow_accounts.mail.service import post


@click.command("mail-worker")
def work_on_mail() -> None:
    """Send mail until stopped (SIGTERM or Ctrl-C); the message in hand is finished first."""
    worker = background_jobs.send_mail(current_app._get_current_object())  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    click.echo("Sending mail (Ctrl-C stops it)")
    worker.run()


@click.command("mail-test")
@click.argument("address")
@handle_errors
def try_mail(address: str) -> None:
    """Put a test message to ADDRESS into the outbox; whoever sends mail sends it."""
    if envelope_address(address) is None:
        sys.exit("reflow-accounts: this is not an address that mail can be sent to.")
    post("trial", address)
    db.session.commit()
    click.echo(f"A message to {address} is in the outbox.")

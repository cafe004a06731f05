"""Commands of the workers: mail-worker, mail-test, marketplace-worker, marketplace-reconcile."""

import signal
import sys
from contextlib import suppress

import click
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from reflow_accounts import background_jobs, transfer
from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.commands.errors import handle_errors
from reflow_accounts.config import Settings
from reflow_accounts.database import db
from reflow_accounts.email_addresses import envelope
from reflow_accounts.mail.service import post
from reflow_accounts.mail.transport import OUTBOX_FOLDER
from reflow_accounts.marketplace.aws_client import AwsAway
from reflow_accounts.marketplace.reconcile import reconcile
from reflow_accounts.marketplace.worker import Worker


@click.command("mail-worker")
@handle_errors
def work_on_mail() -> None:
    """Send mail until stopped (SIGTERM or Ctrl-C); the current message is finished first."""
    _refuse_unfinished_copy()
    worker = background_jobs.mail_runner(current_app._get_current_object())  # type: ignore[attr-defined]
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    click.echo("Sending mail (Ctrl-C stops it)")
    worker.run()


@click.command("mail-test")
@click.argument("address")
@handle_errors
def try_mail(address: str) -> None:
    """Put a test message to ADDRESS into the outbox, from which it is sent like any other mail."""
    if envelope(address) is None:
        sys.exit("reflow-accounts: this is not an address that mail can be sent to.")
    post("trial", address)
    db.session.commit()
    click.echo(f"A message to {address} is in the outbox.")
    warn_without_mail_server()


def warn_without_mail_server() -> None:
    """Say where mail goes without a mail server."""
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.mail_url:
        folder = settings.instance / OUTBOX_FOLDER
        click.echo(f"REFLOW_MAIL_URL is not set: mail is written to .eml files in {folder}, not sent.")


@click.command("marketplace-worker")
@handle_errors
def work_on_events() -> None:
    """Ingest AWS Marketplace events until stopped (SIGTERM or Ctrl-C)."""
    settings = _settings()
    if not settings.takes_events:
        sys.exit("reflow-accounts: set REFLOW_AWS_PRODUCT_CODE and REFLOW_AWS_QUEUE_URL for the worker.")
    _refuse_unfinished_copy()
    worker = Worker(settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop)
    worker.run(lambda: click.echo("Waiting for events of AWS Marketplace (Ctrl-C stops it)"))


@click.command("marketplace-reconcile")
@handle_errors
def ask_aws() -> None:
    """Compare every agreement with AWS, in case an event was lost. Run it once a day."""
    settings = _settings()
    if not settings.takes_registrations:
        sys.exit("reflow-accounts: set REFLOW_AWS_PRODUCT_CODE to ask AWS Marketplace.")
    count = 0
    try:
        for line in reconcile(settings):
            click.echo(line)
            count += 1
    except AwsAway as error:
        sys.exit(f"reflow-accounts: {error} Run the command again afterwards; the changes above are saved.")
    click.echo(f"{count} change{'' if count == 1 else 's'}." if count else "No changes.")


def _refuse_unfinished_copy() -> None:
    # A worker waits for a database that does not answer.
    with suppress(SQLAlchemyError), db.engine.connect() as connection:
        if transfer.is_unfinished(connection):
            sys.exit(f"reflow-accounts: {transfer.UNFINISHED_COPY}")


def _settings() -> AwsSettings:
    settings: Settings = current_app.config["SETTINGS"]
    return settings.aws

"""Processes that take the steps of a history, each step in a transaction, as several marketplace-workers do."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from flask import Flask
from sqlalchemy.exc import OperationalError

from reflow_accounts.app import create_app
from reflow_accounts.config import Settings
from reflow_accounts.database import db
from reflow_accounts.marketplace.aws_client import Customer
from reflow_accounts.marketplace.events import ingest, register
from reflow_accounts.marketplace.registration import connect
from reflow_accounts.users.admin import user_of
from tests.factories import CLIENT
from tests.helpers.aws import ACCOUNT, PRODUCT
from tests.marketplace.buyer import claim_of
from tests.marketplace.histories import Registration, Step

MOST_WORKERS = 3
_apps: list[Flask] = []

# `take(steps, team id, buyer id, workers)`
Take = Callable[[list[Step], str, str, int], None]


@contextmanager
def processes(settings: Settings) -> Iterator[Take]:
    """Start processes with an application each, and yield a function that divides steps among them."""
    with ProcessPoolExecutor(MOST_WORKERS, get_context("spawn"), _start, (settings,)) as pool:

        def take(steps: list[Step], team_id: str, buyer_id: str, workers: int) -> None:
            parts = [steps[number::workers] for number in range(workers)]
            for done in [pool.submit(_take, part, team_id, buyer_id) for part in parts if part]:
                done.result()

        yield take


def _start(settings: Settings) -> None:
    _apps.append(create_app(settings))


def _take(steps: list[Step], team_id: str, buyer_id: str) -> None:
    for step in steps:
        while not _is_taken(step, team_id, buyer_id):
            pass


def _is_taken(step: Step, team_id: str, buyer_id: str) -> bool:
    """Take a step and return whether that was done; a writer of SQLite that waits for too long comes again."""
    with _apps[0].app_context():
        try:
            if isinstance(step, Registration):
                customer = Customer(PRODUCT, ACCOUNT, step.licence, step.agreement)
                claim = claim_of(register(customer, is_trial=False))
                db.session.commit()
                connect(claim, team_id, "", by=user_of(buyer_id), client=CLIENT)
            else:
                ingest(step, PRODUCT)
            db.session.commit()
        except OperationalError as error:
            if "database is locked" not in str(error.orig):
                raise
            return False
    return True

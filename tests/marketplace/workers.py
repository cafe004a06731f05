"""Processes that apply the steps of a history, each step in a transaction, like marketplace-workers."""

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
from tests.marketplace.buyer import create_claim
from tests.marketplace.histories import Registration, Step

MOST_WORKERS = 3
_apps: list[Flask] = []

# `apply_steps(steps, team id, buyer id, workers)`
ApplySteps = Callable[[list[Step], str, str, int], None]


@contextmanager
def processes(settings: Settings) -> Iterator[ApplySteps]:
    """Start processes with an application each, and yield a function that divides steps among them."""
    with ProcessPoolExecutor(MOST_WORKERS, get_context("spawn"), _start, (settings,)) as pool:

        def apply_steps(steps: list[Step], team_id: str, buyer_id: str, workers: int) -> None:
            parts = [steps[number::workers] for number in range(workers)]
            for future in [pool.submit(_apply_steps, part, team_id, buyer_id) for part in parts if part]:
                future.result()

        yield apply_steps


def _start(settings: Settings) -> None:
    _apps.append(create_app(settings))


def _apply_steps(steps: list[Step], team_id: str, buyer_id: str) -> None:
    for step in steps:
        while not _apply_step(step, team_id, buyer_id):
            pass


def _apply_step(step: Step, team_id: str, buyer_id: str) -> bool:
    """Apply a step; return False when SQLite was locked for too long, so that it is repeated."""
    with _apps[0].app_context():
        try:
            if isinstance(step, Registration):
                customer = Customer(PRODUCT, ACCOUNT, step.licence, step.agreement)
                claim = create_claim(register(customer, is_trial=False))
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

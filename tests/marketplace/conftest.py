"""A fake AWS on loopback, and an application that uses it."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from reflow_accounts.database import db
from reflow_accounts.marketplace.events import ingest
from tests.helpers.aws import CREDENTIALS, PRODUCT, Aws, running_aws
from tests.helpers.page_client import PageClient


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with running_aws() as server:
        yield server


@pytest.fixture
def marketplace_app(another: Callable[..., Flask], aws: Aws) -> Flask:
    """The application, configured with the fake AWS."""
    return another(aws=aws.settings)


@pytest.fixture
def ingest_events(app: Flask) -> Callable[..., int]:
    """`ingest_events(body, …)`: ingest messages, each in a transaction; returns how many were new."""

    def run(*bodies: str) -> int:
        new_count = 0
        for body in bodies:
            with app.app_context():
                new_count += ingest(body, PRODUCT) is not None
                db.session.commit()
        return new_count

    return run


@pytest.fixture
def buyer(marketplace_app: Flask) -> PageClient:
    """The browser of a buyer."""
    return PageClient(marketplace_app, marketplace_app.response_class)


@pytest.fixture
def reconcile(marketplace_app) -> Callable[[], tuple[int, list[str]]]:
    """`reconcile()`: run marketplace-reconcile; returns its exit code and its lines."""
    runner = marketplace_app.test_cli_runner()

    def run() -> tuple[int, list[str]]:
        # `flask` opens a context around every command.
        with marketplace_app.app_context():
            result = runner.invoke(args=["marketplace-reconcile"])
        return result.exit_code, result.output.splitlines()

    return run

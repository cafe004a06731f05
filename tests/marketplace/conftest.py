"""A fake AWS on loopback, and an application that uses it."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from reflow_accounts.database import db
from reflow_accounts.marketplace.events import ingest
from tests.helpers.aws import CREDENTIALS, PRODUCT, Aws, serving
from tests.helpers.page_client import PageClient


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with serving() as running:
        yield running


@pytest.fixture
def selling(another: Callable[..., Flask], aws: Aws) -> Flask:
    """The application, set to sell through that AWS."""
    return another(aws=aws.settings)


@pytest.fixture
def take_in(app: Flask) -> Callable[..., int]:
    """`take_in(body, …)`: have messages taken in, each in a transaction; how many were new."""

    def run(*bodies: str) -> int:
        new = 0
        for body in bodies:
            with app.app_context():
                new += ingest(body, PRODUCT) is not None
                db.session.commit()
        return new

    return run


@pytest.fixture
def buyer(selling: Flask) -> PageClient:
    """A browser that AWS Marketplace sends to us."""
    return PageClient(selling, selling.response_class)


@pytest.fixture
def ask(selling) -> Callable[[], tuple[int, list[str]]]:
    """`ask()`: run marketplace-reconcile; its exit code and its lines."""
    runner = selling.test_cli_runner()

    def run() -> tuple[int, list[str]]:
        # `flask` opens a context around every command.
        with selling.app_context():
            done = runner.invoke(args=["marketplace-reconcile"])
        return done.exit_code, done.output.splitlines()

    return run

"""Fixtures for every test: an application on each database, the cast, the real server, a browser."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from reflow_accounts.app import create_app
from tests.cast import Cast
from tests.helpers import chromium, databases
from tests.helpers.api import Api
from tests.helpers.live_server import LiveServer
from tests.helpers.page_client import PageClient
from tests.helpers.postgres import Postgres

_POSTGRES_FOLDER = "TEST_POSTGRES_FOLDER"


def pytest_configure(config: pytest.Config) -> None:
    """Choose one folder for PostgreSQL; the workers inherit it, and the first that asks starts the server."""
    if not hasattr(config, "workerinput"):
        os.environ[_POSTGRES_FOLDER] = str(Postgres.in_new_folder().folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        Postgres(Path(os.environ[_POSTGRES_FOLDER])).stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to the slow tests what a module marked `postgresql_later` does once more on PostgreSQL."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and "postgresql" in callspec.id and item.get_closest_marker("postgresql_later"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The PostgreSQL server of this run; `make_database(name)` returns an address."""
    return Postgres(Path(os.environ[_POSTGRES_FOLDER]))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of an empty database; a test that uses it runs on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite') / 'reflow.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.make_database("edge")


@pytest.fixture(scope="session")
def migrated_app(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One application for each database and worker."""
    app = databases.application(str(tmp_path_factory.mktemp("instance")), database)
    databases.migrate(app)
    yield app
    databases.close(app)


@pytest.fixture
def app(migrated_app: Flask) -> Flask:
    """The application, its database empty."""
    databases.empty(migrated_app)
    return migrated_app


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Ada, Ben, Vic, Charlie, Nina, Sam and the program, in the database."""
    return Cast.of(app)


@pytest.fixture
def another(app: Flask) -> Iterator[Callable[..., Flask]]:
    """`another(base_url=…)`: the application with other settings, on the same database."""
    made: list[Flask] = []

    def make(**settings: Any) -> Flask:
        made.append(create_app(replace(app.config["SETTINGS"], **settings)))
        return made[-1]

    yield make
    for one in made:
        # Its connections must be closed by name, not by chance in the middle of another test.
        databases.close(one)


@pytest.fixture
def client(app: Flask) -> PageClient:
    """A browser without JavaScript; it checks every page that it gets."""
    return PageClient(app, app.response_class)


@pytest.fixture
def api(app: Flask) -> Callable[..., Api]:
    """`api(secret)`: a program with that secret; `api()`: one with none."""
    return lambda secret=None, **headers: Api(app, secret, **headers)


@pytest.fixture
def flask(app: Flask) -> Callable[..., tuple[int, str]]:
    """`flask("uses", "verify", input="")`: an operator's command; its exit code and all that it said."""
    runner = app.test_cli_runner()

    def run(*words: str, input: str = "") -> tuple[int, str]:
        # `flask` opens a context around every command.
        with app.app_context():
            done = runner.invoke(args=list(words), input=input)
        return done.exit_code, done.output

    return run


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The real server in its own processes, on SQLite, with the demo data; one for each worker."""
    server = LiveServer(tmp_path_factory.mktemp("live"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The real server on each database: `live`, and one on PostgreSQL for the module."""
    if request.param == "sqlite":
        yield request.getfixturevalue("live")
        return
    url = request.getfixturevalue("postgres").make_database("live")
    server = LiveServer(tmp_path_factory.mktemp("live-postgresql"), url)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser for journeys."""
    found = chromium.find()
    assert found, "no Chromium found: run `python -m tests.helpers.provision`"
    return found

"""Fixtures for all tests: applications on each database, the cast, live servers, a browser."""

import gc
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
    """Choose the folder of the PostgreSQL server, which the first worker that needs it starts."""
    gc.disable()  # until the tests are found, ten thousand of them: a third faster
    if not hasattr(config, "workerinput"):
        os.environ[_POSTGRES_FOLDER] = str(Postgres.in_new_folder().folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        Postgres(Path(os.environ[_POSTGRES_FOLDER])).stop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the PostgreSQL variants of modules marked `postgresql_later` as slow."""
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and "postgresql" in callspec.id and item.get_closest_marker("postgresql_later"):
            item.add_marker(pytest.mark.slow)
    gc.enable()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres() -> Postgres:
    """The PostgreSQL server of this run; `make_database(name)` returns a URL."""
    return Postgres(Path(os.environ[_POSTGRES_FOLDER]))


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of an empty database; a test that uses it runs on SQLite and on PostgreSQL."""
    return databases.new_url(request, "edge", tmp_path_factory.mktemp("database"))


@pytest.fixture(scope="session")
def migrated_app(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """One application for each database and worker."""
    app = databases.application(str(tmp_path_factory.mktemp("instance")), database)
    databases.migrate(app)
    yield app
    databases.close(app)


@pytest.fixture
def app(migrated_app: Flask) -> Flask:
    """The application, with an empty database."""
    databases.empty(migrated_app)
    return migrated_app


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Ada, Ben, Vic, Charlie, Nina, Sam and the service account, in the database."""
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
        # Otherwise its connections would be closed at a random time, during another test.
        databases.close(one)


@pytest.fixture
def client(app: Flask) -> PageClient:
    """A browser without JavaScript, which checks every page that it receives."""
    return PageClient(app, app.response_class)


@pytest.fixture
def api(app: Flask) -> Callable[..., Api]:
    """`api(secret)`: an API client with that secret; `api()`: one without."""
    return lambda secret=None, **headers: Api(app, secret, **headers)


@pytest.fixture
def flask(app: Flask) -> Callable[..., tuple[int, str]]:
    """`flask("uses", "verify", input="")`: runs an operator command; returns its exit code and output."""
    runner = app.test_cli_runner()

    def run(*words: str, input: str = "") -> tuple[int, str]:
        # `flask` opens a context around every command.
        with app.app_context():
            done = runner.invoke(args=list(words), input=input)
        return done.exit_code, done.output

    return run


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A live server on SQLite with the demo data; one for each worker."""
    server = LiveServer(tmp_path_factory.mktemp("live"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A live server on each database: `live`, and one on PostgreSQL for the module."""
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
    """The path of the browser for journeys."""
    found = chromium.find()
    assert found, "no Chromium found: run `python -m tests.helpers.provision`"
    return found

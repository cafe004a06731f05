"""Migrations match the models and can be reverted, on both databases."""

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import JSON, Boolean, DateTime, Integer, LargeBinary, func, inspect, select, text

from reflow_accounts import demo, paths
from reflow_accounts.api_keys.usage.retention import is_part
from reflow_accounts.database import db, now
from reflow_accounts.revisions import SchemaRevision
from tests import factories
from tests.helpers import databases


@pytest.fixture
def fresh(request, migrated_app, tmp_path):
    """An application on an empty database of the same kind, not migrated."""
    if migrated_app.config["SQLALCHEMY_DATABASE_URI"].startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'fresh.db'}"
    else:
        url = request.getfixturevalue("postgres").make_database("fresh")
    app = databases.application(str(tmp_path), url)
    yield app
    databases.close(app)


def tables(app) -> set[str]:
    with app.app_context():
        found = set(inspect(db.engine).get_table_names()) - {"alembic_version"}
    return {name for name in found if not is_part(name)}


def test_newest_migration_equals_the_models(fresh):
    databases.migrate(fresh)
    with fresh.app_context(), db.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "compare_server_default": True,
                "include_name": lambda name, kind, parents: kind != "table" or not is_part(name),
            },
        )
        assert compare_metadata(context, db.metadata) == []
    assert tables(fresh) == set(db.metadata.tables)


def fill(connection) -> None:
    """Put a row into every table that the demo data leaves empty."""
    for table in db.metadata.sorted_tables:
        if connection.scalar(select(func.count()).select_from(table)):
            continue
        values = {}
        for column in table.columns:
            kind = getattr(column.type, "impl", column.type)
            if isinstance(kind, Boolean):
                values[column.name] = False
            elif isinstance(kind, Integer):
                values[column.name] = 1
            elif isinstance(kind, DateTime):
                values[column.name] = now()
            elif isinstance(kind, LargeBinary):
                values[column.name] = b"x"
            else:
                values[column.name] = {} if isinstance(kind, JSON) else "x"
        connection.execute(table.insert().values(values))


def counts() -> dict[str, int]:
    """Count the rows of the tables that are there."""
    with db.engine.connect() as connection:
        there = inspect(connection).get_table_names()
        listed = [table for table in db.metadata.sorted_tables if table.name in there]
        return {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in listed
            if table is not SchemaRevision.__table__
        }


def test_each_step_down_keeps_the_rows_of_a_filled_database(fresh):
    databases.migrate(fresh)
    script = ScriptDirectory(str(paths.MIGRATIONS))
    assert len(script.get_heads()) == 1
    steps = [revision.revision for revision in script.walk_revisions()]
    with fresh.app_context():
        demo.seed()
        with db.engine.begin() as connection:
            fill(connection)
        before = counts()
        assert min(before.values()) >= 1
        for step in steps[1:]:
            flask_migrate.downgrade(revision=step)
            left = counts()
            assert left == {name: before[name] for name in left}, step
        flask_migrate.downgrade(revision="base")
    assert tables(fresh) == set()
    databases.migrate(fresh)
    assert tables(fresh) == set(db.metadata.tables)


def test_migrating_twice_changes_nothing(fresh):
    databases.migrate(fresh)
    databases.migrate(fresh)
    assert tables(fresh) == set(db.metadata.tables)


def test_names_of_keys_are_made_comparable_and_alike_ones_stay(fresh):
    def forms():
        with fresh.app_context(), db.engine.connect() as connection:
            return [
                row[0] for row in connection.execute(text("SELECT folded_name FROM api_keys ORDER BY id"))
            ]

    databases.migrate(fresh)
    ada = factories.person(fresh, "Ada Park")
    factories.team(fresh, "Acme", ada, active=True)
    names = ["CI", "test", "prod\u2013eu"]
    for name in names:
        ada.key(name)
    with fresh.app_context():
        flask_migrate.downgrade(revision="0012")
        db.session.execute(text("UPDATE api_keys SET name = 'te\u0455t' WHERE name = 'CI'"))
        db.session.execute(text("UPDATE api_keys SET folded_name = 'te\u0455t' WHERE folded_name = 'ci'"))
        db.session.commit()
    assert forms() == ["te\u0455t", "test", "prod\u2013eu"]
    databases.migrate(fresh)
    assert forms() == ["te\u0455t", "test", "prod-eu"]

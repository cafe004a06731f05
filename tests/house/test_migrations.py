"""Migrations match the models and can be reverted, on both databases."""

import flask_migrate
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from reflow_accounts import paths
from reflow_accounts.api_keys.usage.retention import is_part
from reflow_accounts.database import db
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


def test_downgrade_removes_everything_and_upgrade_works_again(fresh):
    databases.migrate(fresh)
    with fresh.app_context():
        flask_migrate.downgrade(revision="base")
    assert tables(fresh) == set()
    databases.migrate(fresh)
    assert tables(fresh) == set(db.metadata.tables)


def test_each_migration_can_be_applied_and_reverted(fresh):
    script = ScriptDirectory(str(paths.MIGRATIONS))
    steps = [revision.revision for revision in script.walk_revisions()][::-1]
    assert len(script.get_heads()) == 1
    with fresh.app_context():
        for step in steps:
            flask_migrate.upgrade(revision=step)
            flask_migrate.downgrade(revision="-1")
            flask_migrate.upgrade(revision=step)


def test_migrating_twice_changes_nothing(fresh):
    databases.migrate(fresh)
    databases.migrate(fresh)
    assert tables(fresh) == set(db.metadata.tables)

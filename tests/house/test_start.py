"""Starts on empty, shared and newer databases."""

import stat
import subprocess
import sys
from dataclasses import replace

import pytest
from sqlalchemy import func, select, text

from reflow_accounts import config, revisions
from reflow_accounts.app import create_app
from reflow_accounts.auth.encryption import vault
from reflow_accounts.database import db, now
from reflow_accounts.server import bring_up_to_date
from reflow_accounts.users.models import User
from tests import factories
from tests.helpers import databases
from tests.helpers.live_server import ROOT, SECRET_KEY

START = """
from reflow_accounts.app import create_app
from reflow_accounts.server import bring_up_to_date
app = create_app()
with app.app_context():
    print(bring_up_to_date(app.config["SETTINGS"]))
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request, tmp_path):
    """An application on an empty database."""
    app = databases.application(str(tmp_path), databases.new_url(request, "started", tmp_path))
    yield app
    databases.close(app)


def start_at_once(app, number):
    """Start nodes on the database of `app`; return how many of them seeded it."""
    settings = app.config["SETTINGS"]
    environ = {
        "REFLOW_INSTANCE": str(settings.instance),
        "REFLOW_DATABASE_URL": settings.database_url,
        "REFLOW_SECRET_KEY": SECRET_KEY,
        "REFLOW_PASSWORD_ROUNDS": "4",
        "PYTHONPATH": str(ROOT),
    }
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen([sys.executable, "-c", START], env=environ, stdout=pipe, stderr=pipe, text=True)
        for _ in range(number)
    ]
    outputs = [node.communicate(timeout=120) for node in started]
    assert [node.returncode for node in started] == [0] * number, outputs
    return sum(out.split() == ["True"] for out, _ in outputs)


def count_users(app):
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(User))


@pytest.mark.slow
@pytest.mark.alone
def test_nodes_that_start_at_once_migrate_and_seed_once(fresh):
    assert start_at_once(fresh, 2) == 1
    assert count_users(fresh) == 6
    # A database that is migrated and not seeded.
    databases.empty(fresh)
    assert start_at_once(fresh, 2) == 1
    assert count_users(fresh) == 6


@pytest.fixture
def sqlite(tmp_path):
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'newer.db'}")
    databases.migrate(app)
    with app.app_context():
        yield app
    databases.close(app)


def test_new_database_is_private(sqlite, tmp_path):
    bring_up_to_date(sqlite.config["SETTINGS"])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("newer.db*")}
    modes.pop("newer.db.lock", None)  # is empty
    assert set(modes.values()) == {0o600}, modes
    assert {"newer.db", "newer.db-wal"} <= set(modes)


@pytest.mark.parametrize(
    ("fallbacks", "has_app", "count"), [((), True, 1), ((SECRET_KEY,), True, 0), ((), False, 0)]
)
def test_secret_key_of_another_database_is_named(sqlite, caplog, fallbacks, has_app, count):
    person = factories.person(sqlite)
    if has_app:
        person.change(totp_secret=vault().seal(f"{person.id} SECRET"), totp_on_at=now())
    settings = replace(
        sqlite.config["SETTINGS"],
        secret_key="another-secret-key-0123456789-abcdef",  # pragma: allowlist secret
        secret_key_fallbacks=fallbacks,
    )
    restored = create_app(settings)
    with restored.app_context():
        bring_up_to_date(settings)
    databases.close(restored)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == count
    assert all("the secret key does not belong to this database" in warning for warning in warnings)
    assert settings.secret_key not in caplog.text


def made_by(revision, note=None):
    """Give the database the revision of a newer version, perhaps with its note."""
    db.session.execute(text("UPDATE alembic_version SET version_num = :r"), {"r": revision})
    if note:
        values = {"r": revision, "c": note}
        db.session.execute(text("UPDATE schema_revisions SET revision = :r, compatible_from = :c"), values)
    db.session.commit()


def test_database_of_the_next_version_is_served_with_a_warning(sqlite, caplog):
    newest = int(revisions.newest_revision())
    bring_up_to_date(sqlite.config["SETTINGS"])
    for revision, note in ((f"{newest + 1:04}", None), (f"{newest + 3:04}", revisions.newest_revision())):
        made_by(revision, note)
        caplog.clear()
        assert bring_up_to_date(sqlite.config["SETTINGS"]) is False
        [warning] = [record for record in caplog.records if record.levelname == "WARNING"]
        assert f"the database has revision {revision}" in warning.getMessage()


@pytest.mark.parametrize(("revision", "note"), [("9999", None), ("9999", "9998"), ("a1b2c3", None)])
def test_database_of_a_later_version_is_refused_with_a_sentence(sqlite, revision, note):
    made_by(revision, note)
    with pytest.raises(config.ConfigError, match=f"made by a newer version .its revision is {revision}"):
        bring_up_to_date(sqlite.config["SETTINGS"])
    migrated = sqlite.test_cli_runner().invoke(args=["db", "upgrade"])
    assert "made by a newer version" in str(migrated.exception)

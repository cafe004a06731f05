"""Creates databases with a given number of keys and uses."""

from collections.abc import Iterator
from pathlib import Path

import flask_migrate
from flask import Flask
from sqlalchemy import func, insert, select, text

from reflow_accounts import config, database
from reflow_accounts.activity.chain import extend_with_uses
from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.api_keys.usage.clients import collect_clients
from reflow_accounts.api_keys.usage.retention import ensure_months
from reflow_accounts.api_keys.usage.rollup import roll_up
from reflow_accounts.api_keys.usage.verify import differences
from reflow_accounts.app import create_app
from reflow_accounts.auth.secrets import digest_of, hint_of, new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import db
from reflow_accounts.subscriptions.overrides import set_active
from reflow_accounts.teams.service import add_team
from reflow_accounts.users.models import User

BATCH = 10_000
KEYS_OF_ONE_USER = 100
USES_AT_ONCE = 500_000

# Uses, evenly, in order of time; the key by a multiplicative hash, so that neighbours differ.
_SQLITE_USES = """
WITH RECURSIVE n(i) AS (SELECT :first UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :first + :many)
INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
SELECT :key + (i * 2654435761) % :keys,
       strftime('%Y-%m-%d %H:%M:%f', 'now', '-' || ((:total - i) * :seconds / :total) || ' seconds') || '000',
       'GET', '/api/v1/me', 200, 'accepted', '192.0.2.1', 'reflow/0.1.0 (linux)'
FROM n
"""
_POSTGRESQL_USES = """
INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
SELECT :key + (i * 2654435761) % :keys,
       now() - make_interval(secs => (CAST(:total AS bigint) - i) * CAST(:seconds AS float) / :total),
       'GET', '/api/v1/me', 200, 'accepted', '192.0.2.1', 'reflow/0.1.0 (linux)'
FROM generate_series(CAST(:first AS bigint), CAST(:first AS bigint) + :many - 1) AS i
"""
SECRET_KEY = "the-secret-key-of-the-benchmarks-0000"  # noqa: S105  # pragma: allowlist secret


def environ_of(folder: Path, url: str = "") -> dict[str, str]:
    """Return the settings of the application on a database in `folder`, or at `url`."""
    found = {"REFLOW_INSTANCE": str(folder), "REFLOW_SECRET_KEY": SECRET_KEY, "REFLOW_PASSWORD_ROUNDS": "4"}
    return found | ({"REFLOW_DATABASE_URL": url} if url else {})


def application(environ: dict[str, str]) -> Flask:
    """Return the application on a migrated database."""
    app = create_app(config.load(environ))
    with app.app_context():
        flask_migrate.upgrade()
    return app


def add_keys(app: Flask, number: int, file: Path) -> None:
    """Add live keys, 100 per user and subscribed team; write each secret and its team's id to `file`."""
    with app.app_context(), file.open("w") as secrets:
        for first in range(0, number, BATCH):
            rows: list[dict[str, object]] = []
            for user_id, team_id in _users(min(BATCH, number - first)):
                for row, secret in _keys(user_id, min(KEYS_OF_ONE_USER, number - first - len(rows))):
                    rows.append(row)
                    secrets.write(f"{secret} {team_id}\n")
            db.session.execute(insert(ApiKey), rows)
            db.session.commit()


def _users(keys: int) -> Iterator[tuple[int, str]]:
    for _ in range(-(-keys // KEYS_OF_ONE_USER)):
        user = User(full_name="Bench")
        db.session.add(user)
        db.session.flush()
        team = add_team("Bench", user)
        set_active(team, True, "benchmark", by=None)
        yield user.id, team.public_id


def _keys(user_id: int, number: int) -> Iterator[tuple[dict[str, object], str]]:
    for place in range(number):
        secret = new_secret(KEY_PREFIX)
        name = f"key {place}"
        yield (
            {
                "user_id": user_id,
                "name": name,
                "folded_name": name,
                "digest": digest_of(secret),
                "hint": hint_of(secret),
            },
            secret,
        )


def add_uses(
    app: Flask, number: int, of: range | None = None, *, days: float = 365, with_backlog: bool = False
) -> None:
    """Append uses, spread over the last days (a year) and the keys with these numbers (all), and roll them up.

    `with_backlog` leaves them to the background jobs that collect clients and extend hash chains.
    """
    if not number:
        return
    with app.app_context():
        ensure_months()
        of = of or range(1, (db.session.scalar(select(func.max(ApiKey.id))) or 1) + 1)
        is_sqlite = db.engine.dialect.name == "sqlite"
        statement = _SQLITE_USES if is_sqlite else _POSTGRESQL_USES
        for first in range(0, number, USES_AT_ONCE):
            many = min(USES_AT_ONCE, number - first)
            values: dict[str, float] = {
                "first": first,
                "many": many,
                "total": number,
                "key": of.start,
                "keys": len(of),
                "seconds": days * 86_400.0,
            }
            db.session.execute(text(statement), values)
            db.session.commit()
        roll_up()
        if not with_backlog:
            database.PAUSE_PER_BATCH = 0  # no requests to delay
            collect_clients()
            extend_with_uses()
        if not is_sqlite:
            _vacuum()


def _vacuum() -> None:
    """Do what autovacuum would begin meanwhile, beside the measurement."""
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE)"))
        connection.execute(text("CHECKPOINT"))


def close(app: Flask) -> None:
    """Close the connections of this process, so that only those of the measured server remain."""
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def newest_use(app: Flask) -> int:
    """Return the number of the last row of the log."""
    with app.app_context():
        found = db.session.scalar(select(func.max(Use.id))) or 0
    close(app)
    return found


def uses_after(app: Flask, number: int) -> int:
    """Return how many rows the log has beyond this one."""
    with app.app_context():
        found = db.session.scalar(select(func.count()).select_from(Use).where(Use.id > number)) or 0
    close(app)
    return found


def check(environ: dict[str, str]) -> None:
    """Stop the benchmark when a total differs from the log."""
    app = create_app(config.load(environ))
    with app.app_context():
        for found in differences():
            raise SystemExit(f"What is counted is not what the log says: {found}")
    close(app)

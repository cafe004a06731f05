"""Compares the time of pages and lists on a database with 20,000 uses and on a large one."""

import logging
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from bench import databases
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.usage.queries import usage_counts_of
from reflow_accounts.auth.login import start_session
from reflow_accounts.auth.login_manager import VALUE
from reflow_accounts.auth.models import Factor, SessionKind
from reflow_accounts.database import db
from reflow_accounts.web.request_info import Client

CLIENT = Client("192.0.2.1", "bench")
ROUNDS = 30
SMALL_KEYS, SMALL_USES = 10_000, 10_000
PATHS = (
    "/account/api-keys",
    "/account/api-keys/{key}",
    "/account/api-keys/{key}/revocation",
    "/account/activity",
    "/account/activity?key={key}",
    "/account/activity?key={key}&period=7d",
    "/api/v1/keys",
    "/api/v1/keys/{key}/uses",
    "/api/v1/keys/{key}/usage",
    "/account/team",
    "/support",
    "/support/teams/{team}",
    "/support/users/{user}",
)


@dataclass(frozen=True)
class Reader:
    """A signed-in client of one database, which times requests (wall and CPU time in ms)."""

    browser: FlaskClient
    program: dict[str, str]
    ids: dict[str, str]

    @classmethod
    def of(cls, app: Flask, secrets: Path) -> "Reader":
        """Make the owner of the middle key support staff, and sign in by adding a session row."""
        middle = middle_key(app)
        secret, team = secrets.read_text().splitlines()[middle - 1].split()
        with app.app_context():
            key = db.session.get_one(ApiKey, middle)
            key.user.is_staff = True
            _, value = start_session(key.user, SessionKind.BROWSER, [Factor.PASSWORD], client=CLIENT)
            ids = {"key": key.public_id, "user": key.user.public_id, "team": team}
            db.session.commit()
        browser = app.test_client()
        with browser.session_transaction() as session:
            session[VALUE] = value
        return cls(browser, {"Authorization": f"Bearer {secret}"}, ids)

    def ask(self, path: str) -> tuple[float, float]:
        headers = self.program if path.startswith("/api") else {}
        wall, cpu = time.perf_counter(), time.process_time()
        answer = self.browser.get(path.format(**self.ids), headers=headers)
        took = (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return took


def middle_key(app: Flask) -> int:
    """Return the id of the key in the middle, whose owner's pages are measured."""
    with app.app_context():
        return (db.session.scalar(select(func.max(ApiKey.id))) or 1) // 2 + 1


def _uses_of_middle_key(app: Flask) -> int:
    middle = middle_key(app)
    with app.app_context():
        return usage_counts_of([middle])[middle].count or 1


def measure(small: tuple[Path, str], grown: tuple[Path, str]) -> None:
    """Print each page's time on both databases, given as folder and URL, and the ratio.

    `grown` must be filled already. `small` is filled here: with one use of each key, and with as many uses per day
    of the reader's keys as in `grown`, so that lists and charts have the same length.
    """
    app = databases.application(databases.environ_of(*small))
    # Every page that support staff look at is audited and logged.
    logging.getLogger("reflow_accounts").setLevel(logging.WARNING)
    databases.add_keys(app, SMALL_KEYS, small[0] / "secrets")
    first = middle_key(app) // databases.KEYS_OF_ONE_USER * databases.KEYS_OF_ONE_USER + 1
    databases.add_uses(app, SMALL_KEYS)
    apps = app, databases.application(databases.environ_of(*grown))
    keys = range(first, first + databases.KEYS_OF_ONE_USER)
    days = 365 * SMALL_USES / len(keys) / _uses_of_middle_key(apps[1])
    databases.add_uses(app, SMALL_USES, keys, days=min(days, 365))
    readers = [Reader.of(app, place[0] / "secrets") for app, place in zip(apps, (small, grown), strict=True)]
    for path in PATHS:
        took: list[list[tuple[float, float]]] = [[], []]
        for _ in range(ROUNDS):
            for reader, seen in zip(readers, took, strict=True):
                seen.append(reader.ask(path))
        before, after = ([statistics.median(column) for column in zip(*seen, strict=True)] for seen in took)
        ratios = f"wall x {after[0] / before[0]:.2f}   CPU x {after[1] / before[1]:.2f}   limit 1.25"
        print(f"  {path:<40}{before[0]:8.1f} ms {after[0]:8.1f} ms   {ratios}", flush=True)
    for app in apps:
        databases.close(app)

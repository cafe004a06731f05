"""The pages and lists of one user, on a small database and on a grown one, in turn: does growth cost anything?"""

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from bench import databases
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.extensions import db
from reflow_accounts.identity.models import SessionKind
from reflow_accounts.identity.service import start_session
from reflow_accounts.identity.signed_in import VALUE
from reflow_accounts.web.client import Client

ROUNDS = 30
# As many uses for each key as the grown database has.
SMALL_KEYS = 10_000
PATHS = (
    "/account/api-keys",
    "/account/activity",
    "/account/activity?key={key}",
    "/account/activity?key={key}&period=7d",
    "/api/v1/keys",
    "/api/v1/keys/{key}/uses",
)


@dataclass(frozen=True)
class Reader:
    """Somebody signed in on one database: asks for a path and says how long that took (wall, CPU; ms)."""

    browser: FlaskClient
    program: dict[str, str]
    key: str

    @classmethod
    def of(cls, app: Flask, secrets: Path) -> "Reader":
        """Sign in the owner of the middle key, by a row: the password is nobody's business here."""
        with app.app_context():
            middle = (db.session.scalar(select(func.max(ApiKey.id))) or 1) // 2 + 1
            key = db.session.get_one(ApiKey, middle)
            _, value = start_session(key.user, SessionKind.BROWSER, Client("192.0.2.1", "bench"))
            public_id = key.public_id
            db.session.commit()
        browser = app.test_client()
        with browser.session_transaction() as session:
            session[VALUE] = value
        secret = secrets.read_text().splitlines()[middle - 1]
        return cls(browser, {"Authorization": f"Bearer {secret}"}, public_id)

    def ask(self, path: str) -> tuple[float, float]:
        headers = self.program if path.startswith("/api") else {}
        wall, cpu = time.perf_counter(), time.process_time()
        answer = self.browser.get(path.format(key=self.key), headers=headers)
        took = (1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu))
        if answer.status_code != 200:
            raise SystemExit(f"{path}: {answer.status}")
        return took


def measure(kind: str, make: Callable[[ExitStack], tuple[Path, str]], options: argparse.Namespace) -> None:
    """Build both databases of a kind and print each page's time on both, and the ratio."""
    grown_uses = options.uses or options.keys * 10
    sizes = ((SMALL_KEYS, SMALL_KEYS * grown_uses // options.keys), (options.keys, grown_uses))
    with ExitStack() as stack:
        readers = []
        for keys, uses in sizes:
            folder, url = make(stack)
            app = databases.application(databases.environ_of(folder, url))
            databases.add_keys(app, keys, folder / "secrets")
            databases.add_uses(app, uses)
            readers.append(Reader.of(app, folder / "secrets"))
        print(f"{kind}: {sizes[0][0]:,} keys and {sizes[0][1]:,} uses; {sizes[1][0]:,} and {sizes[1][1]:,}")
        for path in PATHS:
            took: list[list[tuple[float, float]]] = [[], []]
            for _ in range(ROUNDS):
                for reader, seen in zip(readers, took, strict=True):
                    seen.append(reader.ask(path))
            small, grown = (
                [statistics.median(column) for column in zip(*seen, strict=True)] for seen in took
            )
            ratios = f"wall x {grown[0] / small[0]:.2f}   CPU x {grown[1] / small[1]:.2f}   limit 1.25"
            print(f"  {path:<40}{small[0]:8.1f} ms {grown[0]:8.1f} ms   {ratios}", flush=True)

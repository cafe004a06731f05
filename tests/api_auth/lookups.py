"""Looks up keys with the store of the event loop, on the database of the test."""

import asyncio
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask

from reflow_accounts.api_auth import key_check
from reflow_accounts.api_auth.store import LookupRequest, LookupResult
from reflow_accounts.api_keys.models import ACCEPTED, ApiKey
from reflow_accounts.api_keys.usage.rollup import NewUse
from reflow_accounts.auth.secrets import digest_of, hint_of, new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import db
from tests.factories import Person

Result = TypeVar("Result")


def run_in_event_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Run `work` in an event loop of another thread: Playwright keeps one running in this thread."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


def lookup(secret: str, at: datetime, team: str | None = None, rights: str = "") -> LookupRequest:
    """Return the request for a key at an instant; `rights` are those that are sufficient."""
    use = NewUse(0, at, "GET", "/api/v1/me", 200, ACCEPTED, "192.0.2.1", "tests")
    return LookupRequest(digest_of(secret), team, rights, use)


def authenticate_in_store(app: Flask, requests: Sequence[LookupRequest]) -> list[LookupResult]:
    """Look up one batch in the store of the application's database."""

    async def authenticate() -> list[LookupResult]:
        store = key_check.open_store(app.config["SETTINGS"])
        try:
            return await store.authenticate_and_record(requests)
        finally:
            await store.close()

    return run_in_event_loop(authenticate())


def add_key(owner: Person, **columns: datetime | None) -> str:
    """Add a key with these columns, bypassing the rules for new keys; return its secret."""
    secret = new_secret(KEY_PREFIX)
    with owner.app.app_context():
        row = ApiKey(
            user=owner.row(), name="key", folded_name="key", digest=digest_of(secret), hint=hint_of(secret)
        )
        for name, value in columns.items():
            setattr(row, name, value)
        db.session.add(row)
        db.session.commit()
    return secret

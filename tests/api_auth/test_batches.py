"""Key checks in batches: each request gets its own result, and all of a batch are recorded or none."""

import asyncio
import json
import random
import threading
from collections import Counter
from contextlib import contextmanager

import pytest
from sqlalchemy import func, select, text

from reflow_accounts.api_auth import key_check
from reflow_accounts.api_auth.key_check import LARGEST_BATCH
from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import db
from tests.api_auth.key_checks import PASSED_TO_FLASK, UNAVAILABLE, run_with_key_checks
from tests.api_auth.test_unrecorded import MAKE_UNWRITABLE, MAKE_WRITABLE
from tests.crash.load import ask, log_in
from tests.helpers import rows
from tests.helpers.at_once import at_once

ROUNDS = 12
REQUESTS = 100


@pytest.fixture(scope="module")
def session(server):
    return log_in(server)


@contextmanager
def unwritable(app):
    """The log of uses takes nothing for a while."""

    def execute(statements):
        with app.app_context(), db.engine.begin() as connection:
            for statement in statements[connection.dialect.name]:
                connection.execute(text(statement))

    execute(MAKE_UNWRITABLE)
    try:
        yield
    finally:
        execute(MAKE_WRITABLE)


def count_of(server, key) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key["id"])
    with server.app.app_context():
        return db.session.scalar(query)


def key_id_in(response) -> str:
    return json.loads(response.body)["authenticated_by"]["id"]


def test_each_client_of_the_server_gets_its_own_result(server, session):
    live, revoked, other = (
        ask(server, "POST", "/keys", session, {"name": f"batch {name}"})[1]
        for name in ("good", "revoked", "other")
    )
    assert ask(server, "DELETE", f"/keys/{revoked['id']}", session)[0] == 204
    mistyped = live["secret"][:-1] + ("0" if live["secret"][-1] != "0" else "1")
    expected = {
        live["secret"]: (200, live["id"]),
        revoked["secret"]: (401, "revoked_key"),
        other["secret"]: (200, other["id"]),
        mistyped: (401, "malformed_key"),
        new_secret(KEY_PREFIX): (401, "unknown_key"),
    }

    def send_requests(secret: str) -> None:
        for _ in range(ROUNDS):
            status, response = ask(server, "GET", "/me", secret)
            result = response["authenticated_by"]["id"] if status == 200 else response["code"]
            assert (status, result) == expected[secret]

    at_once([lambda secret=secret: send_requests(secret) for secret in list(expected) * 4])
    assert count_of(server, live) == count_of(server, other) == 4 * ROUNDS
    assert count_of(server, revoked) == 0


def test_server_answers_503_while_uses_cannot_be_recorded(server, session):
    key = ask(server, "POST", "/keys", session, {"name": "batch unrecorded"})[1]
    with unwritable(server.app):
        responses = at_once([lambda: ask(server, "GET", "/me", key["secret"])] * 12)
    assert Counter((status, response["code"]) for status, response in responses) == {(503, "unavailable"): 12}
    assert count_of(server, key) == 0
    assert ask(server, "GET", "/me", key["secret"])[0] == 200
    assert count_of(server, key) == 1


def test_each_of_100_concurrent_requests_gets_its_own_result(app, cast):
    keys = [person.key() for person in (cast.ada, cast.ben, cast.ci, cast.charlie)]
    revoked = cast.ada.key()
    cast.ada.revoke(revoked)
    expected = {key.secret: key.id for key in keys}
    secrets = [*expected, *expected, revoked.secret, new_secret(KEY_PREFIX)] * (REQUESTS // 10)
    random.Random(7).shuffle(secrets)

    async def send_requests(client):
        responses = await asyncio.gather(
            *(client.me(secret, f"client {n}") for n, secret in enumerate(secrets))
        )
        return responses, client.store

    responses, store = run_with_key_checks(app, send_requests)
    for secret, response in zip(secrets, responses, strict=True):
        if secret in expected:
            assert (response.status, key_id_in(response)) == (200, expected[secret])
        else:
            assert response.status == PASSED_TO_FLASK
    assert [len(batch) for batch in store.batches] == [LARGEST_BATCH, REQUESTS - LARGEST_BATCH]
    assert_recorded(app, store.found)


def assert_recorded(app, found) -> None:
    """Check that each result has the number of the use of its own request, and that there are no others."""
    with app.app_context():
        uses = {
            send_requests.id: (send_requests.key_id, send_requests.user_agent)
            for send_requests in db.session.scalars(select(Use))
        }
    known = {
        result.use_number: (result.rows[0].key_id, request.use.user_agent)
        for request, result in found
        if result.use_number is not None
    }
    assert known == uses


def test_cancelled_requests_do_not_disturb_their_batch(app, cast):
    keys = [cast.ada.key() for _ in range(20)]

    async def send_requests(client):
        client.store.may_answer.clear()
        first_batch = [asyncio.create_task(client.me(key.secret)) for key in keys[:10]]
        await client.store.is_asked.wait()
        second_batch = [asyncio.create_task(client.me(key.secret)) for key in keys[10:]]
        await asyncio.sleep(0)
        for task in (first_batch[0], first_batch[3], second_batch[0], second_batch[9]):
            task.cancel()
        client.store.may_answer.set()
        responses = await asyncio.gather(*first_batch, *second_batch, return_exceptions=True)
        return responses, await client.me(keys[0].secret), [len(batch) for batch in client.store.batches]

    responses, next_response, sizes = run_with_key_checks(app, send_requests)
    assert [n for n, response in enumerate(responses) if isinstance(response, asyncio.CancelledError)] == [
        0,
        3,
        10,
        19,
    ]
    for key, response in zip(keys, responses, strict=True):
        assert isinstance(response, asyncio.CancelledError) or key_id_in(response) == key.id
    assert (next_response.status, sizes[0], sizes[-1]) == (200, 10, 1)


def test_failure_of_the_store_is_503_for_all_waiting_requests(app, cast):
    key = cast.ada.key()

    async def send_requests(client):
        with unwritable(app):
            responses = await asyncio.gather(*(client.me(key.secret) for _ in range(REQUESTS)))
        batches = len(client.store.batches)
        return responses, batches, await client.me(key.secret)

    responses, batches, next_response = run_with_key_checks(app, send_requests)
    assert Counter(response.status for response in responses) == {UNAVAILABLE: REQUESTS}
    # Those that waited behind the first batch are not tried: each batch could take seconds to fail.
    assert (batches, next_response.status) == (1, 200)
    assert len(rows.uses_of(app, key.id)) == 1


def test_unexpected_error_is_503_for_all_waiting_requests(app, cast, monkeypatch):
    key = cast.ada.key()

    async def send_requests(client):
        async def fail(_requests):
            raise RuntimeError("a mistake of ours")

        with monkeypatch.context() as patch:
            patch.setattr(client.store, "authenticate_and_record", fail)
            responses = await asyncio.gather(*(client.me(key.secret) for _ in range(REQUESTS)))
        return responses, await client.me(key.secret)

    responses, next_response = run_with_key_checks(app, send_requests)
    assert Counter(response.status for response in responses) == {UNAVAILABLE: REQUESTS}
    assert next_response.status == 200


def test_failed_roll_up_stops_no_key_check(app, cast, monkeypatch):
    key, fail_now = cast.ada.key(), threading.Event()

    def fail():
        fail_now.wait()
        raise RuntimeError("a mistake of ours")

    async def send_requests(client):
        with monkeypatch.context() as patch:
            patch.setattr(key_check, "is_roll_up_due", lambda number: True)
            patch.setattr(key_check, "roll_up_or_log", fail)
            first_batch = await client.me(key.secret)
            second_batch = asyncio.create_task(client.me(key.secret))
            await asyncio.sleep(0)
            fail_now.set()
            return [first_batch.status, (await asyncio.wait_for(second_batch, 5)).status]

    assert run_with_key_checks(app, send_requests) == [200, 200]


@pytest.mark.parametrize("team", ["%00", "{id}%00", "%ed%a0%80", "%ff", "%f0%9f%92%a9", "'", "x" * 5000])
def test_unusual_team_id_disturbs_no_other_request(app, cast, team):
    key, team = cast.ada.key(), team.format(id=cast.acme.id)

    async def send_requests(client):
        return await asyncio.gather(
            client.me(key.secret),
            client.authorize(new_secret(KEY_PREFIX), f"team={team}&rights=view"),
            client.authorize(key.secret, f"team={team}&rights=view"),
            client.authorize(key.secret, f"team={cast.acme.id}&rights=view"),
        )

    statuses = [response.status for response in run_with_key_checks(app, send_requests)]
    assert statuses == [200, PASSED_TO_FLASK, PASSED_TO_FLASK, 204]

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
from tests.api_auth.key_checks import LEFT_TO_FLASK, UNAVAILABLE, in_event_loop
from tests.api_auth.test_unrecorded import BREAK, MEND
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

    execute(BREAK)
    try:
        yield
    finally:
        execute(MEND)


def count_of(server, key) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key["id"])
    with server.app.app_context():
        return db.session.scalar(query)


def key_in(answer) -> str:
    return json.loads(answer.body)["authenticated_by"]["id"]


def test_each_client_of_the_server_gets_its_own_result(server, session):
    good, revoked, other = (
        ask(server, "POST", "/keys", session, {"name": f"batch {name}"})[1]
        for name in ("good", "revoked", "other")
    )
    assert ask(server, "DELETE", f"/keys/{revoked['id']}", session)[0] == 204
    mistyped = good["secret"][:-1] + ("0" if good["secret"][-1] != "0" else "1")
    wanted = {
        good["secret"]: (200, good["id"]),
        revoked["secret"]: (401, "revoked_key"),
        other["secret"]: (200, other["id"]),
        mistyped: (401, "malformed_key"),
        new_secret(KEY_PREFIX): (401, "unknown_key"),
    }

    def use(secret: str) -> None:
        for _ in range(ROUNDS):
            status, answer = ask(server, "GET", "/me", secret)
            result = answer["authenticated_by"]["id"] if status == 200 else answer["code"]
            assert (status, result) == wanted[secret]

    at_once([lambda secret=secret: use(secret) for secret in list(wanted) * 4])
    assert count_of(server, good) == count_of(server, other) == 4 * ROUNDS
    assert count_of(server, revoked) == 0


def test_server_answers_503_while_uses_cannot_be_recorded(server, session):
    key = ask(server, "POST", "/keys", session, {"name": "batch unrecorded"})[1]
    with unwritable(server.app):
        answers = at_once([lambda: ask(server, "GET", "/me", key["secret"])] * 12)
    assert Counter((status, answer["code"]) for status, answer in answers) == {(503, "unavailable"): 12}
    assert count_of(server, key) == 0
    assert ask(server, "GET", "/me", key["secret"])[0] == 200
    assert count_of(server, key) == 1


def test_each_of_100_concurrent_requests_gets_its_own_result(app, cast):
    keys = [person.key() for person in (cast.ada, cast.ben, cast.ci, cast.charlie)]
    revoked = cast.ada.key()
    cast.ada.revoke(revoked)
    wanted = {key.secret: key.id for key in keys}
    secrets = [*wanted, *wanted, revoked.secret, new_secret(KEY_PREFIX)] * (REQUESTS // 10)
    random.Random(7).shuffle(secrets)

    async def work(checks):
        answers = await asyncio.gather(
            *(checks.me(secret, f"client {n}") for n, secret in enumerate(secrets))
        )
        return answers, checks.store

    answers, store = in_event_loop(app, work)
    for secret, answer in zip(secrets, answers, strict=True):
        if secret in wanted:
            assert (answer.status, key_in(answer)) == (200, wanted[secret])
        else:
            assert answer.status == LEFT_TO_FLASK
    assert [len(batch) for batch in store.batches] == [LARGEST_BATCH, REQUESTS - LARGEST_BATCH]
    assert_recorded(app, store.found)


def assert_recorded(app, found) -> None:
    """Check that each result has the number of the use of its own request, and that there are no others."""
    with app.app_context():
        uses = {use.id: (use.key_id, use.user_agent) for use in db.session.scalars(select(Use))}
    known = {
        result.use_number: (result.rows[0].key_id, request.use.user_agent)
        for request, result in found
        if result.use_number is not None
    }
    assert known == uses


def test_cancelled_requests_do_not_disturb_their_batch(app, cast):
    keys = [cast.ada.key() for _ in range(20)]

    async def work(checks):
        checks.store.may_answer.clear()
        first = [asyncio.create_task(checks.me(key.secret)) for key in keys[:10]]
        await checks.store.is_asked.wait()
        later = [asyncio.create_task(checks.me(key.secret)) for key in keys[10:]]
        await asyncio.sleep(0)
        for task in (first[0], first[3], later[0], later[9]):
            task.cancel()
        checks.store.may_answer.set()
        answers = await asyncio.gather(*first, *later, return_exceptions=True)
        return answers, await checks.me(keys[0].secret), [len(batch) for batch in checks.store.batches]

    answers, again, sizes = in_event_loop(app, work)
    assert [n for n, one in enumerate(answers) if isinstance(one, asyncio.CancelledError)] == [0, 3, 10, 19]
    for key, answer in zip(keys, answers, strict=True):
        assert isinstance(answer, asyncio.CancelledError) or key_in(answer) == key.id
    assert (again.status, sizes[0], sizes[-1]) == (200, 10, 1)


def test_failure_of_the_store_is_503_for_all_that_wait(app, cast):
    key = cast.ada.key()

    async def work(checks):
        with unwritable(app):
            answers = await asyncio.gather(*(checks.me(key.secret) for _ in range(REQUESTS)))
        batches = len(checks.store.batches)
        return answers, batches, await checks.me(key.secret)

    answers, batches, again = in_event_loop(app, work)
    assert Counter(answer.status for answer in answers) == {UNAVAILABLE: REQUESTS}
    # Those that waited behind the first batch are not tried: each batch could take seconds to fail.
    assert (batches, again.status) == (1, 200)
    assert len(rows.uses_of(app, key.id)) == 1


def test_unexpected_error_is_503_for_all_that_wait(app, cast, monkeypatch):
    key = cast.ada.key()

    async def work(checks):
        async def fail(_requests):
            raise RuntimeError("a mistake of ours")

        with monkeypatch.context() as patched:
            patched.setattr(checks.store, "authenticate_and_record", fail)
            answers = await asyncio.gather(*(checks.me(key.secret) for _ in range(REQUESTS)))
        return answers, await checks.me(key.secret)

    answers, again = in_event_loop(app, work)
    assert Counter(answer.status for answer in answers) == {UNAVAILABLE: REQUESTS}
    assert again.status == 200


def test_failed_rollup_of_uses_stops_no_key_check(app, cast, monkeypatch):
    key, may_fail = cast.ada.key(), threading.Event()

    def fail():
        may_fail.wait()
        raise RuntimeError("a mistake of ours")

    async def work(checks):
        with monkeypatch.context() as patched:
            patched.setattr(key_check, "is_roll_up_due", lambda number: True)
            patched.setattr(key_check, "roll_up_or_log", fail)
            first = await checks.me(key.secret)
            later = asyncio.create_task(checks.me(key.secret))
            await asyncio.sleep(0)
            may_fail.set()
            return [first.status, (await asyncio.wait_for(later, 5)).status]

    assert in_event_loop(app, work) == [200, 200]


@pytest.mark.parametrize("team", ["%00", "{id}%00", "%ed%a0%80", "%ff", "%f0%9f%92%a9", "'", "x" * 5000])
def test_strange_team_id_disturbs_no_other_request(app, cast, team):
    key, team = cast.ada.key(), team.format(id=cast.acme.id)

    async def work(checks):
        return await asyncio.gather(
            checks.me(key.secret),
            checks.authorize(new_secret(KEY_PREFIX), f"team={team}&rights=view"),
            checks.authorize(key.secret, f"team={team}&rights=view"),
            checks.authorize(key.secret, f"team={cast.acme.id}&rights=view"),
        )

    statuses = [answer.status for answer in in_event_loop(app, work)]
    assert statuses == [200, LEFT_TO_FLASK, LEFT_TO_FLASK, 204]

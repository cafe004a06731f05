"""Requests that are answered together: each gets its own answer, and all or none are recorded."""

from collections import Counter

import pytest
from sqlalchemy import func, select, text

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.extensions import db
from tests.api_auth.test_unrecorded import BREAK, MEND
from tests.crash.clients import ask, log_in
from tests.helpers.at_once import at_once
from tests.helpers.live_server import LiveServer

ROUNDS = 12


@pytest.fixture(scope="module")
def server(postgres, tmp_path_factory):
    """The real server on PostgreSQL, where requests go together."""
    live = LiveServer(tmp_path_factory.mktemp("together"), postgres.make_database("together"))
    live.start()
    yield live
    live.kill()


@pytest.fixture(scope="module")
def session(server):
    return log_in(server)


def count_of(server, key) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key["id"])
    with server.app.app_context():
        return db.session.scalar(query)


def test_everybody_in_a_crowd_gets_the_own_answer(server, session):
    good, revoked, other = (
        ask(server, "POST", "/keys", session, {"name": name})[1] for name in ("good", "revoked", "other")
    )
    assert ask(server, "DELETE", f"/keys/{revoked['id']}", session)[0] == 204
    mistyped = good["secret"][:-1] + ("0" if good["secret"][-1] != "0" else "1")
    wanted = {
        good["secret"]: (200, good["id"]),
        revoked["secret"]: (401, "revoked_key"),
        other["secret"]: (200, other["id"]),
        mistyped: (401, "malformed_key"),
    }

    def use(secret: str) -> None:
        for _ in range(ROUNDS):
            status, answer = ask(server, "GET", "/me", secret)
            says = answer["authenticated_by"]["id"] if status == 200 else answer["code"]
            assert (status, says) == wanted[secret]

    at_once([lambda secret=secret: use(secret) for secret in list(wanted) * 4])
    assert count_of(server, good) == count_of(server, other) == 4 * ROUNDS
    assert count_of(server, revoked) == 0


def test_a_crowd_is_refused_when_its_uses_cannot_be_recorded(server, session):
    key = ask(server, "POST", "/keys", session, {"name": "unrecorded"})[1]

    def execute(statements):
        with server.app.app_context(), db.engine.begin() as connection:
            for statement in statements["postgresql"]:
                connection.execute(text(statement))

    execute(BREAK)
    try:
        answers = at_once([lambda: ask(server, "GET", "/me", key["secret"])] * 12)
    finally:
        execute(MEND)
    assert Counter((status, answer["code"]) for status, answer in answers) == {(503, "unavailable"): 12}
    assert count_of(server, key) == 0
    assert ask(server, "GET", "/me", key["secret"])[0] == 200
    assert count_of(server, key) == 1

"""Every answered use is counted, also when the server is killed under load (contract, 7)."""

import time

import pytest
from sqlalchemy import func, select, text

from reflow_accounts.api_keys.models import ApiKey, Use
from reflow_accounts.api_keys.usage.verify import differences
from reflow_accounts.database import db
from tests.crash.load import LoadClients, ask, log_in
from tests.helpers.live_server import LiveServer

pytestmark = [pytest.mark.slow, pytest.mark.alone]

CLIENTS = 8
KILLS = 20
ROUNDS = 5
SECONDS_OF_LOAD = 1.0


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(request, tmp_path_factory):
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").make_database("crash")
    live = LiveServer(tmp_path_factory.mktemp("crash"), url)
    live.start()
    yield live
    live.kill()


def count_uses(server: LiveServer, key_id: str) -> int:
    query = select(func.count()).select_from(Use).join(Use.key).where(ApiKey.public_id == key_id)
    with server.app.app_context():
        return db.session.scalar(query)


def is_whole(server: LiveServer) -> bool:
    with server.app.app_context():
        if db.engine.dialect.name != "sqlite":
            return True
        return db.session.scalar(text("PRAGMA integrity_check")) == "ok"


def totals_agree(server: LiveServer) -> bool:
    """Say whether what was folded from the log, often while the server died, is what the log says."""
    with server.app.app_context():
        return list(differences()) == []


def test_answered_uses_are_not_lost(server):
    key = ask(server, "POST", "/keys", log_in(server), {"name": "crash"})[1]
    for _ in range(KILLS):
        before = count_uses(server, key["id"])
        crowd = LoadClients(server, key["secret"], CLIENTS)
        crowd.start()
        time.sleep(SECONDS_OF_LOAD)
        server.kill()
        responses = crowd.wait()
        server.start()
        recorded = count_uses(server, key["id"]) - before
        assert crowd.refusals == []
        assert responses > 50
        # An answer that was not sent yet may have been counted: at most one for each client.
        assert responses <= recorded <= responses + CLIENTS
        assert is_whole(server)
        assert totals_agree(server)


def test_killed_creation_leaves_no_partial_key(server):
    """A key whose making was not answered is either not there or whole: it can be listed and revoked."""
    session = log_in(server)
    for number in range(ROUNDS):
        crowd = LoadClients(server, session, CLIENTS)
        crowd.start()
        made = ask(server, "POST", "/keys", session, {"name": f"before the crash {number}"})
        server.kill()
        crowd.wait()
        server.start()
        assert made[0] == 201
        assert ask(server, "GET", "/me", made[1]["secret"])[0] == 200
        events = ask(server, "GET", f"/activity?key={made[1]['id']}", session)[1]["items"]
        assert [event["action"] for event in events] == ["api_key.used", "api_key.created"]


@pytest.mark.parametrize("seconds", [0.5, 0.6, 0.7, 0.8, 1.0])
def test_interrupted_first_start_is_finished_by_the_next(tmp_path, seconds):
    live = LiveServer(tmp_path)
    live.launch()
    time.sleep(seconds)
    live.kill()
    live.start()
    assert ask(live, "GET", "/me", log_in(live))[1]["teams"][0]["name"] == "Acme"
    live.kill()

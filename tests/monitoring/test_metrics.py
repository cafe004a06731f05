"""`/metrics`: who may read it, what it counts, and that it names nobody."""

import re
import time
from datetime import timedelta

import pytest

from reflow_accounts import config
from reflow_accounts.config import ConfigError
from reflow_accounts.database import db, now
from reflow_accounts.marketplace.aws_client import AgreementFacts
from reflow_accounts.marketplace.events import ingest, ingest_facts
from tests.crash.load import ask, log_in
from tests.helpers.aws import PRODUCT, event
from tests.helpers.live_server import LiveServer
from tests.serving.raw_http import connected, request

TOKEN = "token-of-the-metrics"


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    server = LiveServer(tmp_path_factory.mktemp("watched"), REFLOW_METRICS_TOKEN=TOKEN)
    server.start()
    yield server
    server.kill()


def scrape(server, token=TOKEN):
    with connected(server) as raw:
        return raw.ask(
            request("/metrics", Host="10.9.8.7", Authorization=f"Bearer {token}", Connection="close")
        )


def value(server, name):
    """Return the sum of the samples whose line begins with `name`, or None without one."""
    found = re.findall(rf"^{re.escape(name)}.* ([0-9.e+-]+)$", scrape(server).body.decode(), re.MULTILINE)
    return sum(map(float, found)) if found else None


def wait_for(server, name, expected):
    """Wait until the samples add up: a process counts a request when it has sent the answer."""
    deadline = time.monotonic() + 5
    while (value(server, name) or 0) < expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert value(server, name) == expected


def test_metrics_need_the_token(watched, live):
    for token in ("", "wrong", TOKEN + "x"):
        refused = scrape(watched, token)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert scrape(watched).headers["Content-Type"].startswith("text/plain; version=")
    # Without REFLOW_METRICS_TOKEN there is no such page.
    assert scrape(live).status == 404


def test_requests_and_key_checks_of_all_processes_are_counted(watched):
    session = log_in(watched)
    key = ask(watched, "POST", "/keys", session, {"name": "counted"})[1]
    me = 'reflow_http_request_duration_seconds_count{method="GET",route="/api/v1/me",status="200"}'
    for _ in range(40):  # each on a connection of its own, so that both processes answer some
        assert ask(watched, "GET", "/me", key["secret"])[0] == 200
    wait_for(watched, me, 40)
    wait_for(watched, 'reflow_key_checks_total{outcome="accepted"}', 40)
    ask(watched, "GET", f"/keys/{key['id']}", key["secret"])
    wait_for(watched, 'reflow_key_checks_total{outcome="accepted"}', 41)
    ask(watched, "DELETE", f"/keys/{key['id']}", session)
    ask(watched, "GET", "/me", key["secret"])
    ask(watched, "GET", "/me", "rfk_nonsense")
    wait_for(watched, 'reflow_key_checks_total{outcome="revoked_key"}', 1)
    wait_for(watched, 'reflow_key_checks_total{outcome="malformed_key"}', 1)
    assert value(watched, "reflow_database_up") == 1
    assert value(watched, "reflow_roll_up_lag_uses") >= 41
    assert value(watched, "reflow_database_connections_limit") > 10
    text = scrape(watched).body.decode()
    assert 'route="/api/v1/keys/<' in text
    for word in (key["id"], key["secret"], "counted", "ada@acme.example", "Ada", TOKEN):
        assert word not in text


def test_answers_of_reconcile_and_ended_purchases_are_not_late(watched):
    long_ago = now() - timedelta(days=3)
    facts = AgreementFacts("agmt-1", None, "CANCELLED", None, None)
    with watched.app.app_context():
        ingest(event("License Updated", "l-1", "agmt-1"), PRODUCT)
        db.session.commit()
    assert value(watched, "reflow_marketplace_unclaimed_seconds") > 0
    with watched.app.app_context():
        # AWS gives the same answer on several days.
        for at in (long_ago, now()):
            ingest_facts(facts, at, PRODUCT)
        db.session.commit()
    assert value(watched, "reflow_marketplace_lag_seconds") < 60
    assert value(watched, "reflow_marketplace_unclaimed_seconds") == 0


def test_unknown_paths_and_methods_add_no_labels(watched):
    for path in ("/nothing/1", "/nothing/2"):
        ask(watched, "BREW", path, "")
    text = scrape(watched).body.decode()
    assert "nothing" not in text and "BREW" not in text
    assert 'method="other",route="none"' in text


@pytest.mark.parametrize("token", ["short", "with space in it"])
def test_bad_token_stops_the_start(tmp_path, token):
    with pytest.raises(ConfigError, match="REFLOW_METRICS_TOKEN must be"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), "REFLOW_METRICS_TOKEN": token})

"""`/metrics`: access, counters, and the absence of personal data."""

import re
import time
from datetime import timedelta

import pytest
from sqlalchemy import select

from reflow_accounts import config
from reflow_accounts.config import ConfigError
from reflow_accounts.database import db, now
from reflow_accounts.marketplace.aws_client import AgreementFacts
from reflow_accounts.marketplace.events import ingest, ingest_facts
from reflow_accounts.subscriptions.licences import connect_to_team, find_licence
from reflow_accounts.teams.models import Team
from tests.crash.load import ask, log_in
from tests.helpers.aws import PRODUCT, event
from tests.helpers.live_server import LiveServer
from tests.serving.raw_http import connected, request

TOKEN = "token-of-the-metrics"


@pytest.fixture(scope="module")
def server_with_metrics(tmp_path_factory):
    server = LiveServer(tmp_path_factory.mktemp("watched"), REFLOW_METRICS_TOKEN=TOKEN)
    server.start()
    yield server
    server.kill()


def scrape(server, token=TOKEN, scheme="Bearer"):
    with connected(server) as raw:
        return raw.exchange(
            request("/metrics", Host="10.9.8.7", Authorization=f"{scheme} {token}", Connection="close")
        )


def value(server, name):
    """Return the sum of the samples whose line begins with `name`, or None without one."""
    samples = re.findall(rf"^{re.escape(name)}.* ([0-9.e+-]+)$", scrape(server).body.decode(), re.MULTILINE)
    return sum(map(float, samples)) if samples else None


def wait_for(server, name, expected):
    """Wait until the samples add up: a process counts a request after its response is sent."""
    deadline = time.monotonic() + 5
    while (value(server, name) or 0) < expected and time.monotonic() < deadline:
        time.sleep(0.02)
    assert value(server, name) == expected


def test_metrics_require_the_token(server_with_metrics, live):
    wrong = [(token, "Bearer") for token in ("", "wrong", "wr\xf6ng", TOKEN + "x")]
    for token, scheme in (*wrong, (TOKEN, "Basic")):
        refused = scrape(server_with_metrics, token, scheme)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert scrape(server_with_metrics, scheme="bearer ").status == 200
    assert scrape(server_with_metrics).headers["Content-Type"].startswith("text/plain; version=")
    # The page is missing without REFLOW_METRICS_TOKEN.
    assert scrape(live).status == 404


def test_requests_and_key_checks_of_all_processes_are_counted(server_with_metrics):
    session = log_in(server_with_metrics)
    key = ask(server_with_metrics, "POST", "/keys", session, {"name": "counted"})[1]
    me = 'reflow_http_request_duration_seconds_count{method="GET",route="/api/v1/me",status="200"}'
    for _ in range(40):  # each on its own connection, so that both processes get some
        assert ask(server_with_metrics, "GET", "/me", key["secret"])[0] == 200
    wait_for(server_with_metrics, me, 40)
    wait_for(server_with_metrics, 'reflow_key_checks_total{outcome="accepted"}', 40)
    ask(server_with_metrics, "GET", f"/keys/{key['id']}", key["secret"])
    wait_for(server_with_metrics, 'reflow_key_checks_total{outcome="accepted"}', 41)
    ask(server_with_metrics, "DELETE", f"/keys/{key['id']}", session)
    ask(server_with_metrics, "GET", "/me", key["secret"])
    ask(server_with_metrics, "GET", "/me", "rfk_nonsense")
    wait_for(server_with_metrics, 'reflow_key_checks_total{outcome="revoked_key"}', 1)
    wait_for(server_with_metrics, 'reflow_key_checks_total{outcome="malformed_key"}', 1)
    assert value(server_with_metrics, "reflow_database_up") == 1
    assert value(server_with_metrics, "reflow_roll_up_lag_uses") >= 41
    assert value(server_with_metrics, "reflow_database_connections_limit") > 10
    text = scrape(server_with_metrics).body.decode()
    assert 'route="/api/v1/keys/<' in text
    for personal_data in (key["id"], key["secret"], "counted", "ada@acme.example", "Ada", TOKEN):
        assert personal_data not in text


def test_repeated_facts_and_ended_purchases_do_not_count_as_late(server_with_metrics):
    long_ago = now() - timedelta(days=3)
    agreement = AgreementFacts("agmt-1", None, "CANCELLED", None, None)
    with server_with_metrics.app.app_context():
        ingest(event("License Updated", "l-1", "agmt-1"), PRODUCT)
        ingest(event("License Deprovisioned", "l-2", "agmt-2"), PRODUCT)
        ingest(event("License Updated", "l-3", "agmt-3"), PRODUCT)
        connect_to_team(find_licence("l-3"), db.session.scalars(select(Team)).first(), by=None)
        db.session.commit()
    assert value(server_with_metrics, "reflow_marketplace_unclaimed_seconds") > 0
    with server_with_metrics.app.app_context():
        # AWS gives the same answer on several days.
        for at in (long_ago, now()):
            ingest_facts(agreement, at, PRODUCT)
        db.session.commit()
    assert value(server_with_metrics, "reflow_marketplace_lag_seconds") < 60
    assert value(server_with_metrics, "reflow_marketplace_unclaimed_seconds") == 0


def test_unknown_paths_and_methods_add_no_labels(server_with_metrics):
    for path in ("/nothing/1", "/nothing/2"):
        ask(server_with_metrics, "BREW", path, "")
    text = scrape(server_with_metrics).body.decode()
    assert "nothing" not in text and "BREW" not in text
    assert 'method="other",route="none"' in text


@pytest.mark.parametrize("token", ["short", "with space in it"])
def test_invalid_token_stops_the_start(tmp_path, token):
    with pytest.raises(ConfigError, match="REFLOW_METRICS_TOKEN must be"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), "REFLOW_METRICS_TOKEN": token})

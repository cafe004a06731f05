"""The summary of a key's usage equals the log, appears before a revocation, and has a bounded cost."""

import random
from collections import Counter
from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import insert, select

from reflow_accounts.api_keys.models import KeyClient, Use
from reflow_accounts.api_keys.usage import clients
from reflow_accounts.database import db, now
from tests.api_keys.usage import use_log
from tests.helpers import rows
from tests.helpers.at_once import at_once

pytestmark = pytest.mark.postgresql_later

CI = "reflow/1.2.3 (Linux x86_64) GitHub-Actions (acme/web; run {})"
AGENTS = {
    CI: "GitHub Actions in acme/web",
    "curl/8.5.0": "curl/8.5.0",
    "reflow/1.2.3 (Linux x86_64)": "reflow/1.2.3",
    "": "A program without a name",
}


def name_of(user_agent):
    return AGENTS.get(user_agent, AGENTS[CI])


def append(app, key, *uses):
    """Append uses: age, user agent, address."""
    facts = {"key_id": key, "method": "GET", "path": "/api/v1/me", "status": 200, "outcome": "accepted"}
    values = [
        facts | {"at": now() - age, "user_agent": agent, "address": address} for age, agent, address in uses
    ]
    with app.app_context():
        db.session.execute(insert(Use), values)
        db.session.commit()


def collect(app):
    with app.app_context():
        clients.collect_clients()


def test_summary_equals_the_log(app, cast, api):
    ada, key = api(cast.ada.session()), cast.ada.key()
    number, rng = use_log.key_number(app, key.id), random.Random(7)
    for step in range(4):
        age = (0, 2, 20, 40)[step]
        append(
            app,
            number,
            *(
                (
                    timedelta(days=age + rng.random() * 9, minutes=1),
                    rng.choice(list(AGENTS)).format(rng.randrange(100)),
                    f"192.0.2.{rng.randrange(30)}",
                )
                for _ in range(60)
            ),
        )
        if step < 3:
            use_log.roll_up(app)
        if step in (0, 2):
            collect(app)
    summary = ada.get(f"/keys/{key.id}/usage").json
    with app.app_context():
        uses = db.session.execute(select(Use.at, Use.user_agent, Use.address)).all()
        ages = [now() - use.at for use in uses]
    for name, days in (("last_24_hours", 1), ("last_7_days", 7), ("last_30_days", 30)):
        assert summary[name] == sum(age < timedelta(days=days) for age in ages)
    assert summary["use_count"] == 240
    recent = {
        (name_of(use.user_agent), use.address)
        for use, age in zip(uses, ages, strict=True)
        if age < timedelta(days=30)
    }
    addresses = Counter(name for name, _ in recent)
    assert {program["name"]: program["address_count"] for program in summary["programs"]} == addresses
    ordered = [program["last_used_at"] for program in summary["programs"]]
    assert ordered == sorted(ordered, reverse=True)


def test_uses_before_and_after_a_period_boundary_are_told_apart(app, cast, api):
    ada, key = api(cast.ada.session()), cast.ada.key()
    number, moment = use_log.key_number(app, key.id), timedelta(minutes=5)
    for days in (30, 7, 1):
        edge = timedelta(days=days)
        for number_of_uses in (1, 2, 3):
            ages = (edge - moment, edge + moment, edge + 2 * moment)[:number_of_uses]
            append(app, number, *((age, CI, "192.0.2.1") for age in reversed(ages)))
            use_log.roll_up(app)
    summary = ada.get(f"/keys/{key.id}/usage").json
    assert [summary[name] for name in ("last_24_hours", "last_7_days", "last_30_days")] == [3, 9, 15]


@pytest.mark.postgresql_later
@time_machine.travel("2027-03-10T12:00:00Z")
def test_revocation_dialog_describes_who_uses_the_key(app, cast, client):
    key = cast.ada.key("CI")
    minutes = timedelta(minutes=1)
    append(
        app,
        use_log.key_number(app, key.id),
        (40 * minutes, CI.format(812), "192.0.2.1"),
        (50 * minutes, CI.format(811), "192.0.2.2"),
        *((60 * minutes * hours, "curl/8.5.0", f"198.51.100.{hours}") for hours in (30, 31, 32, 33, 34)),
    )
    ada = cast.ada.sign_in(client)
    for path in ("/revocation", ""):
        text = ada.page(f"/account/api-keys/{key.id}{path}").text
        assert "GitHub Actions in acme/web used it 40 minutes ago, from 192.0.2.1, 192.0.2.2." in text
        assert "curl/8.5.0 used it yesterday, from 198.51.100.30" in text
        assert "and 2 other addresses." in text
        assert "2 in 24 hours, 7 in 7 days, 7 in 30 days" in text


def test_clients_are_collected_once_by_concurrent_processes(app, cast, monkeypatch):
    monkeypatch.setattr(clients, "USES_AT_ONCE", 500)
    key = use_log.key_number(app, cast.ada.key().id)
    append(app, key, *((timedelta(minutes=5), "curl/8.5.0", f"192.0.2.{n % 7}") for n in range(2500)))
    use_log.roll_up(app)
    at_once([lambda: collect(app)] * 3)
    with app.app_context():
        assert sum(db.session.scalars(select(KeyClient.count))) == 2500
    assert rows.count(app, KeyClient) == 7


def test_clients_of_a_batch_may_all_differ(app, cast):
    key = use_log.key_number(app, cast.ada.key().id)
    batch = clients.USES_AT_ONCE
    append(
        app,
        key,
        *((timedelta(minutes=5), f"curl/{n}", f"10.0.{n // 256}.{n % 256}") for n in range(batch)),
        *((timedelta(days=91), "wget", "192.0.2.1") for _ in range(batch)),
    )
    use_log.roll_up(app)
    collect(app)
    append(app, key, (timedelta(minutes=1), "curl/7", "10.0.0.7"))
    use_log.roll_up(app)
    collect(app)
    assert rows.count(app, KeyClient) == batch
    with app.app_context():
        client_with_two_uses = db.session.scalars(
            select(KeyClient).where(KeyClient.program == "curl/7")
        ).one()
        assert (client_with_two_uses.count, client_with_two_uses.network, client_with_two_uses.is_ci) == (
            2,
            "10.0.0.0/24",
            False,
        )
        assert client_with_two_uses.first_at < client_with_two_uses.last_at


def test_user_agent_can_be_the_name_of_a_ci_system_alone(app, cast):
    key = use_log.key_number(app, cast.ada.key().id)
    agents = ("reflow/1.2.3 (Linux) CircleCI", "CircleCI")
    append(app, key, *((timedelta(minutes=5), agent, "192.0.2.1") for agent in agents))
    use_log.roll_up(app)
    collect(app)
    with app.app_context():
        ci_client = db.session.scalars(select(KeyClient)).one()
        assert (ci_client.program, ci_client.count, ci_client.is_ci) == ("CircleCI", 2, True)


@pytest.mark.postgresql_later
def test_clients_of_a_key_are_bounded(app, cast, monkeypatch):
    key = use_log.key_number(app, cast.ada.key().id)
    monkeypatch.setattr(clients, "MOST_CLIENTS", 5)
    append(
        app,
        key,
        *((timedelta(minutes=n), "curl/8.5.0", f"192.0.2.{n}") for n in range(9)),
        (timedelta(days=89), "curl/8.5.0", "203.0.113.1"),
    )
    use_log.roll_up(app)
    collect(app)
    with app.app_context():
        clients.prune_clients()
        kept = db.session.scalars(select(KeyClient.address).order_by(KeyClient.last_at.desc())).all()
    assert kept == [f"192.0.2.{n}" for n in range(5)]

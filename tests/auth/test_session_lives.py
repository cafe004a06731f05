"""Lifetime, renewal and deletion of sessions (OWASP ASVS 5.0, 7.2 to 7.4)."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.auth import login
from reflow_accounts.auth.models import UserSession
from reflow_accounts.auth.sessions import prune_sessions
from reflow_accounts.database import db, now
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

MINUTE = timedelta(minutes=1)
IDLE, ABSOLUTE = timedelta(days=7), timedelta(days=30)


def only_session(app) -> UserSession:
    with app.app_context():
        return db.session.scalars(db.select(UserSession)).one()


@pytest.mark.parametrize(("idle", "status"), [(IDLE - MINUTE, 200), (IDLE, 303)])
def test_browser_session_ends_after_seven_idle_days(cast, client, idle, status):
    cast.ada.log_in(client)
    cast.ada.change_sessions(last_active_at=now() - idle)
    assert client.get("/account/profile").status_code == status


def test_session_in_use_lasts_at_most_thirty_days(app, cast, client):
    cast.ada.log_in(client)
    first = only_session(app)
    assert first.expires_at - first.created_at - ABSOLUTE < MINUTE
    cast.ada.change_sessions(last_active_at=now() - IDLE + MINUTE)
    assert client.get("/account/profile").status_code == 200
    later = only_session(app)
    assert now() - later.last_active_at < MINUTE
    assert later.expires_at == first.expires_at
    cast.ada.change_sessions(expires_at=now())
    assert client.get("/account/profile").status_code == 303


@pytest.mark.parametrize(
    "changes", [{"expires_at": timedelta(0)}, {"last_active_at": -IDLE}, {"ended_at": timedelta(0)}]
)
def test_session_of_the_command_ends_in_the_same_ways(cast, api, changes):
    secret = cast.ada.session()
    assert api(secret).get("/me").status_code == 200
    cast.ada.change_sessions(**{name: now() + offset for name, offset in changes.items()})
    problem_of(api(secret).get("/me"), 401, "unknown_key")


def test_disabled_user_is_signed_out_everywhere_at_once(cast, client, api):
    secret = cast.ada.session()
    cast.ada.log_in(client)
    cast.ada.change(disabled_at=now())
    assert client.get("/account/profile").status_code == 303
    problem_of(api(secret).get("/me"), 401, "unknown_key")


def test_sessions_end_also_by_a_clock_that_is_ahead(cast, api, flask):
    secret = cast.ada.session()
    with time_machine.travel(now() + timedelta(days=40)):
        assert flask("users", "end-sessions", cast.ada.email, "--reason", "Lost")[0] == 0
    assert api(secret).get("/me").status_code == 401


def test_sign_in_replaces_cookie_and_csrf_token(cast, client):
    client.get("/login")
    previous, token = client.get_cookie("reflow").value, client.csrf_token()
    cast.ada.log_in(client)
    assert client.get_cookie("reflow").value != previous
    response = client.post("/account/profile", data={"csrf_token": token, "full_name": "X"})
    assert response.status_code == 400


def test_session_value_is_random_and_stored_as_a_digest(app, cast, client):
    values = set()
    for _ in range(3):
        cast.ada.log_in(client)
        with client.session_transaction() as cookie:
            values.add(cookie["_user_id"])
    assert len(values) == 3
    assert {len(value) for value in values} == {22}
    with app.app_context():
        stored = db.session.scalars(db.select(UserSession.digest)).all()
    assert all(value.encode() not in stored for value in values)
    assert {len(digest) for digest in stored} == {32}


PRUNED_STATES = [
    {"ended_at": -timedelta(days=31)},
    {"expires_at": -timedelta(days=31)},
    {"last_active_at": -timedelta(days=38)},
]
KEPT_STATES = [
    {},
    {"ended_at": -timedelta(days=29)},
    {"expires_at": -timedelta(days=29)},
    {"last_active_at": -timedelta(days=36)},
]


@pytest.mark.parametrize(
    ("offsets", "stored"),
    [(offsets, 0) for offsets in PRUNED_STATES] + [(offsets, 1) for offsets in KEPT_STATES],
)
def test_session_is_deleted_a_month_after_its_end(app, cast, offsets, stored):
    cast.ada.session()
    events = rows.audit_events(app)
    if offsets:
        cast.ada.change_sessions(**{name: now() + offset for name, offset in offsets.items()})
    with app.app_context():
        removed = prune_sessions()
        db.session.commit()
    assert (removed, rows.count(app, UserSession)) == (1 - stored, stored)
    assert rows.audit_events(app) == events


def test_least_recently_used_session_ends_at_the_limit(app, cast, client, api, monkeypatch):
    monkeypatch.setattr(login, "MOST_SESSIONS", 3)
    cast.ada.log_in(client)
    credentials = {"email": cast.ada.email, "password": cast.ada.password}
    first, *others = [api().post("/sessions", credentials).json["secret"] for _ in range(3)]
    assert client.get("/account/profile").status_code == 303
    assert [api(secret).get("/me").status_code for secret in (first, *others)] == [200] * 3
    # The least recently active one ends, whenever it began.
    with time_machine.travel(now() + timedelta(minutes=2)):
        assert api(first).get("/me").status_code == 200
        api().post("/sessions", credentials)
        assert [api(secret).get("/me").status_code for secret in (first, *others)] == [200, 401, 200]
    assert api(cast.ben.session()).get("/me").status_code == 200

"""How long a session lives, what gives it a new value, and when its row is forgotten (OWASP ASVS 5.0, 7.2 to 7.4)."""

from datetime import timedelta

import pytest

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
def test_browser_that_rests_for_seven_days_is_signed_out(cast, client, idle, status):
    cast.ada.sign_in(client)
    cast.ada.change_sessions(last_active_at=now() - idle)
    assert client.get("/account/profile").status_code == status


def test_using_a_session_keeps_it_alive_and_never_beyond_thirty_days(app, cast, client):
    cast.ada.sign_in(client)
    begun = only_session(app)
    assert begun.expires_at - begun.created_at - ABSOLUTE < MINUTE
    cast.ada.change_sessions(last_active_at=now() - IDLE + MINUTE)
    assert client.get("/account/profile").status_code == 200
    used = only_session(app)
    assert now() - used.last_active_at < MINUTE
    assert used.expires_at == begun.expires_at
    cast.ada.change_sessions(expires_at=now())
    assert client.get("/account/profile").status_code == 303


@pytest.mark.parametrize(
    "over", [{"expires_at": timedelta(0)}, {"last_active_at": -IDLE}, {"ended_at": timedelta(0)}]
)
def test_session_of_the_command_ends_in_the_same_ways(cast, api, over):
    secret = cast.ada.session()
    assert api(secret).get("/me").status_code == 200
    cast.ada.change_sessions(**{name: now() + moment for name, moment in over.items()})
    problem_of(api(secret).get("/me"), 401, "unknown_key")


def test_disabled_user_is_out_at_once_with_every_session(cast, client, api):
    secret = cast.ada.session()
    cast.ada.sign_in(client)
    cast.ada.change(disabled_at=now())
    assert client.get("/account/profile").status_code == 303
    problem_of(api(secret).get("/me"), 401, "unknown_key")


def test_signing_in_keeps_nothing_of_the_cookie_before(cast, client):
    client.get("/login")
    planted, token = client.get_cookie("reflow").value, client.csrf_token()
    cast.ada.sign_in(client)
    assert client.get_cookie("reflow").value != planted
    answer = client.post("/account/profile", data={"csrf_token": token, "full_name": "X"})
    assert answer.status_code == 400


def test_value_of_a_session_is_128_random_bits_of_which_a_digest_is_kept(app, cast, client):
    values = set()
    for _ in range(3):
        cast.ada.sign_in(client)
        with client.session_transaction() as cookie:
            values.add(cookie["_user_id"])
    assert len(values) == 3
    assert {len(value) for value in values} == {22}
    with app.app_context():
        kept = db.session.scalars(db.select(UserSession.digest)).all()
    assert all(value.encode() not in kept for value in values)
    assert {len(digest) for digest in kept} == {32}


OVER = [
    {"ended_at": -timedelta(days=31)},
    {"expires_at": -timedelta(days=31)},
    {"last_active_at": -timedelta(days=38)},
]
RECENT = [
    {},
    {"ended_at": -timedelta(days=29)},
    {"expires_at": -timedelta(days=29)},
    {"last_active_at": -timedelta(days=36)},
]


@pytest.mark.parametrize(
    ("moments", "kept"), [(moments, 0) for moments in OVER] + [(moments, 1) for moments in RECENT]
)
def test_session_is_forgotten_a_month_after_its_end_and_its_acts_are_not(app, cast, moments, kept):
    cast.ada.session()
    acts = rows.acts(app)
    if moments:
        cast.ada.change_sessions(**{name: now() + moment for name, moment in moments.items()})
    with app.app_context():
        removed = prune_sessions()
        db.session.commit()
    assert (removed, rows.count(app, UserSession)) == (1 - kept, kept)
    assert rows.acts(app) == acts


def test_oldest_session_ends_when_a_user_has_too_many(app, cast, client, api, monkeypatch):
    monkeypatch.setattr(login, "MOST_SESSIONS", 3)
    cast.ada.sign_in(client)
    words = {"email": cast.ada.email, "password": cast.ada.password}
    first, *others = [api().post("/sessions", words).json["secret"] for _ in range(3)]
    assert client.get("/account/profile").status_code == 303
    assert [api(secret).get("/me").status_code for secret in (first, *others)] == [200] * 3
    # The least recently active one ends, whenever it began.
    api().post("/sessions", words)
    assert [api(secret).get("/me").status_code for secret in (first, *others)] == [401, 200, 200]
    assert api(cast.ben.session()).get("/me").status_code == 200

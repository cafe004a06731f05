"""A log-in with the old password while the owner changes it: the old one opens nothing afterwards."""

import threading

import pytest

from reflow_accounts.auth import passwords
from reflow_accounts.auth.models import UserSession
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.database import db
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.authenticator_app import turn_on

NEW = "a kettle on the moon"


class SlowHasher(PasswordHasher):
    """Lets somebody act between the check of one password and what follows."""

    act = None

    def matches(self, password, stored):
        is_right, act, self.act = super().matches(password, stored), self.act, None
        if act:
            # In a thread, because a request in a request would share its database session.
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
        return is_right


@pytest.fixture
def owner(cast, client):
    """A browser in which Ada is signed in."""
    return cast.ada.sign_in(client)


@pytest.fixture(params=[False, True], ids=["one secret key", "a new secret key"])
def slow(request, app, owner):
    """The hasher of the application; with a new secret key it renews the hash at the next log-in."""
    current = app.extensions["password_hasher"]
    keys = ["n" * 32, app.secret_key] if request.param else [app.secret_key]
    hasher = SlowHasher(keys, 4)
    passwords.init_app(app, hasher)
    yield hasher
    passwords.init_app(app, current)


@pytest.fixture
def thief(app, cast, owner, slow):
    """A browser; while its first password is checked, Ada changes hers."""

    def change():
        answer = owner.send(
            "/account/security/password", current_password=cast.ada.password, new_password=NEW
        )
        assert answer.status_code == 303

    slow.act = change
    return app.test_client()


def log_in(client, person, password=None):
    return client.send("/login?next=/account/team", email=person.email, password=password or person.password)


def live_sessions(app):
    with app.app_context():
        live = db.select(db.func.count()).where(UserSession.ended_at.is_(None))
        return db.session.scalar(live.select_from(UserSession))


def test_browser_gets_no_session(app, cast, owner, thief):
    answer = log_in(thief, cast.ada)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?next=/account/team")
    assert "Your password was changed meanwhile. Log in with the new one." in thief.page("/login").text
    assert live_sessions(app) == 1
    assert owner.get("/account/profile").status_code == 200


def test_command_gets_no_session(app, cast, thief):
    answer = thief.post("/api/v1/sessions", json={"email": cast.ada.email, "password": cast.ada.password})
    problem = problem_of(answer, 401, "missing_credentials")
    assert problem["detail"] == "Your password was changed meanwhile. Log in with the new one."
    assert live_sessions(app) == 1
    assert rows.count(app, UserSession) == 1


def test_code_gets_no_session(app, cast, thief):
    phone = turn_on(cast.ada)
    log_in(thief, cast.ada)
    answer = thief.send("/login/code", code=phone.code())
    assert answer.headers["Location"] == "/login"
    assert live_sessions(app) == 1


def test_new_password_stays(app, cast, thief):
    log_in(thief, cast.ada)
    assert log_in(thief, cast.ada).status_code == 422
    assert log_in(thief, cast.ada, NEW).headers["Location"] == "/account/team"

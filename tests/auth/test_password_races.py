"""Log-ins with the old password while the owner changes it give no session."""

import threading
from datetime import timedelta

import pytest

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.auth import encryption, login, passwords
from reflow_accounts.auth.encryption import Vault
from reflow_accounts.auth.models import Factor, SessionKind, UserSession
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.database import db, now
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.authenticator_app import turn_on

NEW = "a kettle on the moon"


class Pausing:
    """Calls `during_pause` once, between a check and its consequences."""

    during_pause = None

    def pause(self):
        during_pause, self.during_pause = self.during_pause, None
        if during_pause:
            # In a thread, because a nested request would share the database session.
            thread = threading.Thread(target=during_pause)
            thread.start()
            thread.join()


class PausingHasher(Pausing, PasswordHasher):
    """Pauses after the check of a password."""

    def matches(self, password, stored):
        is_right = super().matches(password, stored)
        self.pause()
        return is_right


class PausingVault(Pausing, Vault):
    """Pauses while a code of the authenticator app is checked, before it is used up."""

    def open(self, sealed, *, lifetime=None):
        opened = super().open(sealed, lifetime=lifetime)
        self.pause()
        return opened


@pytest.fixture
def owner(cast, client):
    """A browser in which Ada is signed in."""
    return cast.ada.sign_in(client)


@pytest.fixture
def other(app, cast):
    """Another browser of Ada, which is asked for a proof."""
    browser = cast.ada.sign_in(app.test_client())
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    return browser


@pytest.fixture(params=[False, True], ids=["one secret key", "a new secret key"])
def pausing_hasher(request, app, owner):
    """The hasher of the application; with a new secret key it renews the hash at the next log-in."""
    current = app.extensions["password_hasher"]
    keys = ["n" * 32, app.secret_key] if request.param else [app.secret_key]
    hasher = PausingHasher(keys, 4)
    passwords.init_app(app, hasher)
    yield hasher
    passwords.init_app(app, current)


@pytest.fixture
def pausing_vault(app):
    """The vault of the application."""
    current = app.extensions["vault"]
    vault = PausingVault([app.secret_key])
    encryption.init_app(app, vault)
    yield vault
    encryption.init_app(app, current)


@pytest.fixture
def change(cast, owner):
    """A function with which Ada changes her password."""

    def change():
        response = owner.send(
            "/account/security/password", current_password=cast.ada.password, new_password=NEW
        )
        assert response.status_code == 303

    return change


@pytest.fixture
def thief(app, pausing_hasher, change):
    """Another browser; Ada changes her password while the first one entered there is checked."""
    pausing_hasher.during_pause = change
    return app.test_client()


def log_in(client, person, password=None):
    return client.send("/login?next=/account/team", email=person.email, password=password or person.password)


def log_in_by_command(client, person, password=None, **otp):
    body = {"email": person.email, "password": password or person.password, **otp}
    return client.post("/api/v1/sessions", json=body)


def live_sessions(app):
    with app.app_context():
        live = db.select(db.func.count()).where(UserSession.ended_at.is_(None))
        return db.session.scalar(live.select_from(UserSession))


def test_browser_with_the_old_password_gets_no_session(app, cast, owner, thief):
    response = log_in(thief, cast.ada)
    assert (response.status_code, response.headers["Location"]) == (303, "/login?next=/account/team")
    assert "Your password was changed meanwhile. Log in with the new one." in thief.page("/login").text
    assert live_sessions(app) == 1
    assert owner.get("/account/profile").status_code == 200


def test_command_with_the_old_password_gets_no_session(app, cast, thief):
    response = log_in_by_command(thief, cast.ada)
    problem = problem_of(response, 401, "missing_credentials")
    assert problem["detail"] == "Your password was changed meanwhile. Log in with the new one."
    assert live_sessions(app) == 1
    assert rows.count(app, UserSession) == 1


def test_code_after_the_old_password_gives_no_session(app, cast, thief):
    phone = turn_on(cast.ada)
    log_in(thief, cast.ada)
    response = thief.send("/login/code", code=phone.code())
    assert response.headers["Location"] == "/login"
    assert live_sessions(app) == 1


def test_new_password_is_kept(app, cast, thief):
    log_in(thief, cast.ada)
    assert log_in(thief, cast.ada).status_code == 422
    assert log_in(thief, cast.ada, NEW).headers["Location"] == "/account/team"


@pytest.mark.parametrize(("log_in_with", "status"), [(log_in, 303), (log_in_by_command, 201)])
def test_concurrent_log_ins_succeed(app, cast, pausing_hasher, log_in_with, status):
    """With a new secret key both renew the hash of the password."""
    responses = []
    pausing_hasher.during_pause = lambda: responses.append(log_in_with(app.test_client(), cast.ada))
    responses.append(log_in_with(app.test_client(), cast.ada))
    assert [response.status_code for response in responses] == [status, status]
    assert live_sessions(app) == 3
    assert log_in(app.test_client(), cast.ada).headers["Location"] == "/account/team"


def test_concurrent_log_ins_wait_for_the_code(app, cast, pausing_hasher):
    phone, browsers = turn_on(cast.ada), [app.test_client(), app.test_client()]
    pausing_hasher.during_pause = lambda: log_in(browsers[1], cast.ada)
    log_in(browsers[0], cast.ada)
    pages = [browser.get("/login/code") for browser in browsers]
    assert [page.status_code for page in pages] == [200, 200]
    assert browsers[0].send("/login/code", code=phone.code()).headers["Location"] == "/account/profile"


def test_password_change_waits_for_an_uncommitted_log_in(app, cast, change):
    """Otherwise neither would see the other: the new session, and the new password."""
    changing = threading.Thread(target=change)
    with app.app_context():
        login.start_session(cast.ada.row(), SessionKind.BROWSER, [Factor.PASSWORD], client=CLIENT)
        changing.start()
        changing.join(1)
        db.session.commit()
    changing.join()
    assert live_sessions(app) == 1


def test_password_change_during_the_code_ends_the_log_in(app, cast, change, pausing_vault):
    phone, browser = turn_on(cast.ada), app.test_client()
    log_in(browser, cast.ada)
    pausing_vault.during_pause = change
    code = phone.code()
    response = browser.send("/login/code?next=/account/team", code=code)
    assert (response.status_code, response.headers["Location"]) == (303, "/login?next=/account/team")
    assert "Your password was changed meanwhile. Log in with the new one." in browser.page("/login").text
    assert live_sessions(app) == 1
    log_in(browser, cast.ada, NEW)
    # The code was not used up.
    assert browser.send("/login/code", code=code).headers["Location"] == "/account/profile"


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_command_without_a_session_uses_up_no_code(app, cast, thief, kind):
    phone = turn_on(cast.ada)
    otp = phone.code() if kind == "code" else phone.recovery_codes[0]
    problem = problem_of(log_in_by_command(thief, cast.ada, otp=otp), 401, "missing_credentials")
    assert problem["detail"] == "Your password was changed meanwhile. Log in with the new one."
    assert live_sessions(app) == 1
    assert log_in_by_command(thief, cast.ada, NEW, otp=otp).status_code == 201


def test_proof_with_the_old_password_is_refused(app, cast, other, pausing_hasher, change):
    pausing_hasher.during_pause = change
    response = other.send("/account/api-keys", name="CI", proof_password=cast.ada.password)
    assert response.status_code == 422
    assert (
        "This is not your password" in response.text
        or "Your session has ended. Log in again" in response.text
    )
    assert rows.count(app, ApiKey) == 0

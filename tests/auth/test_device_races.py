"""Ending a user's sessions while a terminal fetches a session of that user."""

import threading
from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.auth import device_flow, mail_links, sessions
from reflow_accounts.auth import login as login_service
from reflow_accounts.auth.models import DeviceLogin, UserSession
from reflow_accounts.database import db, now
from reflow_accounts.errors import BadRequest
from reflow_accounts.users import admin, deletion
from tests.factories import CLIENT
from tests.helpers import rows


@pytest.fixture
def approved_code(app, cast):
    """The device code of a login that Ada has approved."""
    with app.app_context():
        _, device_code, user_code = device_flow.ask("laptop", client=CLIENT)
        ada = cast.ada.row()
        device_flow.decide(device_flow.reserve(ada, user_code), True, by=ada, client=CLIENT)
        db.session.commit()
    return device_code


def fetch_session(app, device_code):
    """Fetch the session, as a poll does; return whether there was one."""
    with app.app_context():
        try:
            device_flow.exchange(device_code, client=CLIENT)
        except BadRequest:
            db.session.rollback()
            return False
        db.session.commit()
        return True


def live_sessions(app):
    with app.app_context():
        return list(
            db.session.scalars(db.select(UserSession.public_id).where(UserSession.ended_at.is_(None)))
        )


def test_poll_started_before_sessions_end_leaves_no_session(app, cast, approved_code):
    """The poll waits for the row, and continues after the commit with the time of its own start."""
    is_locked, poll_started, results = threading.Event(), threading.Event(), []

    def end_all():
        with app.app_context():
            login_service.void_device_logins_of(cast.ada.row())
            is_locked.set()
            poll_started.wait()
            poll.join(0.5)
            sessions.end_sessions_of(cast.ada.row())
            db.session.commit()

    poll = threading.Thread(target=lambda: results.append(fetch_session(app, approved_code)))
    ending = threading.Thread(target=end_all)
    ending.start()
    is_locked.wait()
    poll.start()
    poll_started.set()
    for thread in (poll, ending):
        thread.join()
    assert results == [False]
    assert live_sessions(app) == []


def test_node_with_a_slow_clock_gives_no_session(app, cast, approved_code):
    with time_machine.travel(now() + timedelta(seconds=30)), app.app_context():
        sessions.end_sessions_of(cast.ada.row())
        db.session.commit()
    assert not fetch_session(app, approved_code)
    assert live_sessions(app) == []


def test_password_reset_and_poll_do_not_deadlock(app, cast, approved_code):
    """Both lock the user first."""
    is_locked, poll_started, outcomes = threading.Event(), threading.Event(), []

    def reset():
        with app.app_context():
            ada = cast.ada.row()
            mail_links.lock_links_of(ada)
            is_locked.set()
            poll_started.wait()
            poll.join(0.5)
            sessions.end_sessions_of(ada)
            db.session.commit()
            outcomes.append("reset")

    poll = threading.Thread(target=lambda: outcomes.append(fetch_session(app, approved_code)))
    resetting = threading.Thread(target=reset)
    resetting.start()
    is_locked.wait()
    poll.start()
    poll_started.set()
    for thread in (resetting, poll):
        thread.join()
    assert len(outcomes) == 2
    assert live_sessions(app) == []


def _sign_out(user):
    admin.sign_out(user, "stolen laptop", by=None)


def _disable(user):
    admin.disable(user, "stolen laptop", by=None)


def _end_one(user):
    session, _ = login_service.start_session(user, "browser", [], client=CLIENT)
    sessions.end_elsewhere(session, by=user, client=CLIENT)


@pytest.mark.parametrize("end_function", [_sign_out, _disable, _end_one, sessions.end_sessions])
def test_every_end_of_sessions_voids_approved_logins(app, cast, approved_code, end_function):
    with app.app_context():
        user = cast.ada.row()
        end_function(user, by=user) if end_function is sessions.end_sessions else end_function(user)
        db.session.commit()
    assert not fetch_session(app, approved_code)
    assert live_sessions(app) == []


def test_deleted_account_leaves_no_host_names(app, cast, approved_code):
    assert fetch_session(app, approved_code)
    with app.app_context():
        assert deletion.anonymize(cast.ada.row())
        db.session.commit()
        hosts = set(db.session.scalars(db.select(UserSession.host)))
    assert hosts == {None}
    assert rows.count(app, DeviceLogin) == 0


def test_open_page_shows_that_the_login_expired(app, cast, client, approved_code):
    with app.app_context():
        login = db.session.scalars(db.select(DeviceLogin.public_id)).one()
        sessions.end_sessions_of(cast.ada.row())
        db.session.commit()
    cast.ada.sign_in(client)
    assert "This code has expired" in client.page(f"/device/{login}").text

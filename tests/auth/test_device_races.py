"""What ends a person's sessions against a terminal that fetches its own in the same moment."""

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
def approved(app, cast):
    """The device code of a login that Ada has approved."""
    with app.app_context():
        _, device_code, user_code = device_flow.ask("laptop", client=CLIENT)
        ada = cast.ada.row()
        device_flow.decide(device_flow.claim(ada, user_code), True, by=ada, client=CLIENT)
        db.session.commit()
    return device_code


def fetch(app, device_code):
    """Fetch the session, as a poll does; say whether there was one."""
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


def test_poll_that_began_before_sessions_end_leaves_none_behind(app, cast, approved):
    """The poll waits for the row and goes on after the others' commit, with the time at which it began."""
    is_held, has_begun, fetched = threading.Event(), threading.Event(), []

    def end_all():
        with app.app_context():
            login_service.void_device_logins_of(cast.ada.row())
            is_held.set()
            has_begun.wait()
            poll.join(0.5)
            sessions.end_sessions_of(cast.ada.row())
            db.session.commit()

    poll = threading.Thread(target=lambda: fetched.append(fetch(app, approved)))
    ending = threading.Thread(target=end_all)
    ending.start()
    is_held.wait()
    poll.start()
    has_begun.set()
    for thread in (poll, ending):
        thread.join()
    assert fetched == [False]
    assert live_sessions(app) == []


def test_node_whose_clock_is_late_lets_nobody_in(app, cast, approved):
    with time_machine.travel(now() + timedelta(seconds=30)), app.app_context():
        sessions.end_sessions_of(cast.ada.row())
        db.session.commit()
    assert not fetch(app, approved)
    assert live_sessions(app) == []


def test_reset_of_the_password_and_a_poll_do_not_block_each_other_for_good(app, cast, approved):
    """Both take the person first."""
    is_held, has_begun, outcomes = threading.Event(), threading.Event(), []

    def reset():
        with app.app_context():
            ada = cast.ada.row()
            mail_links.lock_links_of(ada)
            is_held.set()
            has_begun.wait()
            poll.join(0.5)
            sessions.end_sessions_of(ada)
            db.session.commit()
            outcomes.append("reset")

    poll = threading.Thread(target=lambda: outcomes.append(fetch(app, approved)))
    resetting = threading.Thread(target=reset)
    resetting.start()
    is_held.wait()
    poll.start()
    has_begun.set()
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


@pytest.mark.parametrize("end", [_sign_out, _disable, _end_one, sessions.end_sessions])
def test_whatever_ends_sessions_voids_what_waits_for_one(app, cast, approved, end):
    with app.app_context():
        user = cast.ada.row()
        end(user, by=user) if end is sessions.end_sessions else end(user)
        db.session.commit()
    assert not fetch(app, approved)
    assert live_sessions(app) == []


def test_nothing_of_a_machine_stays_of_who_deletes_the_account(app, cast, approved):
    assert fetch(app, approved)
    with app.app_context():
        assert deletion.anonymize(cast.ada.row())
        db.session.commit()
        hosts = set(db.session.scalars(db.select(UserSession.host)))
    assert hosts == {None}
    assert rows.count(app, DeviceLogin) == 0


def test_page_that_is_still_open_does_not_promise_what_was_voided(app, cast, client, approved):
    with app.app_context():
        login = db.session.scalars(db.select(DeviceLogin.public_id)).one()
        sessions.end_sessions_of(cast.ada.row())
        db.session.commit()
    cast.ada.sign_in(client)
    assert "This code has expired" in client.page(f"/device/{login}").text

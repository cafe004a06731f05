"""Dialogs and pages of the console say truthfully what a change does to keys and who is mailed."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests import factories

pytestmark = pytest.mark.postgresql_later


def expire(person):
    """End all keys of a person."""
    with person.app.app_context():
        db.session.execute(update(ApiKey).where(ApiKey.user_id == person.number).values(expires_at=now()))
        db.session.commit()


@pytest.fixture
def deactivation(cast, sam):
    """`deactivation()`: the text of the dialog that asks to deactivate Acme."""
    path = f"/support/teams/{cast.acme.id}/subscription?active=false"
    return lambda: sam.page(path).with_id("dialog-text").text


def test_dialog_counts_keys_that_stop(cast, deactivation):
    cast.ada.key()
    expire(cast.ada)
    cast.ada.key()
    cast.ben.key()
    factories.team(cast.acme.app, "Other", cast.ben, active=True)
    text = deactivation()
    assert "1 API key will be refused at once." in text
    assert "1 API key goes on working: the user has another active team." in text
    assert f"A mail goes to {cast.ada.email}." in text


def test_dialog_counts_no_canaries(cast, deactivation):
    cast.ada.key(is_canary=True)
    assert "API key " not in deactivation()


def test_dialog_says_nothing_about_no_keys(cast, deactivation):
    factories.service_account(cast.acme.app, cast.acme, "Deploy")
    text = deactivation()
    assert "API key " not in text
    assert "0" not in text
    assert "Members cannot create new keys through this team." in text


def test_dialog_counts_many_admins(cast, deactivation):
    for _ in range(3):
        cast.acme.add(factories.person(cast.acme.app), Rights.ADMIN)
    assert "A mail goes to 4 Admins." in deactivation()


def test_key_of_an_inactive_team_is_not_live(cast, sam):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    answer = sam.submit(sam.page("/support"), "/support/keys", api_key=key.secret)
    assert "Refused: its owner has no team with an active subscription" in answer.text


def test_expired_keys_are_marked_on_the_user_page(cast, sam):
    cast.ada.key(expires_at=now() + timedelta(days=1))
    page = sam.page(f"/support/users/{cast.ada.id}")
    assert "· expires" in page.text
    expire(cast.ada)
    assert "· expired" in sam.page(f"/support/users/{cast.ada.id}").text

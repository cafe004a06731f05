"""Dialogs and pages of the console describe the effects of a change on keys, and its mails."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests import factories

pytestmark = pytest.mark.postgresql_later


def expire_keys(person):
    """End all keys of a person."""
    with person.app.app_context():
        db.session.execute(update(ApiKey).where(ApiKey.user_id == person.number).values(expires_at=now()))
        db.session.commit()


@pytest.fixture
def deactivation_text(cast, sam):
    """`deactivation_text()`: the text of the dialog that deactivates Acme."""
    path = f"/support/teams/{cast.acme.id}/subscription?active=false"
    return lambda: sam.page(path).with_id("dialog-text").text


def test_dialog_counts_keys_that_stop(cast, deactivation_text):
    cast.ada.key()
    expire_keys(cast.ada)
    cast.ada.key()
    cast.ben.key()
    factories.team(cast.acme.app, "Other", cast.ben, active=True)
    text = deactivation_text()
    assert "1 API key will be refused at once." in text
    assert "1 API key goes on working: the user has another active team." in text
    assert f"A mail goes to {cast.ada.email}." in text


def test_dialog_does_not_count_canaries(cast, deactivation_text):
    cast.ada.key(is_canary=True)
    assert "API key " not in deactivation_text()


def test_dialog_omits_the_count_without_keys(cast, deactivation_text):
    factories.service_account(cast.acme.app, cast.acme, "Deploy")
    text = deactivation_text()
    assert "API key " not in text
    assert "0" not in text
    assert "Members cannot create new keys through this team." in text


def test_dialog_counts_many_admins(cast, deactivation_text):
    for _ in range(3):
        cast.acme.add(factories.person(cast.acme.app), Rights.ADMIN)
    assert "A mail goes to 4 Admins." in deactivation_text()


def test_key_of_an_inactive_team_is_not_live(cast, sam):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    response = sam.submit(sam.page("/support"), "/support/keys", api_key=key.secret)
    assert "Refused: its owner has no team with an active subscription" in response.text


def test_expired_keys_are_marked_on_the_user_page(cast, sam):
    cast.ada.key(expires_at=now() + timedelta(days=1))
    page = sam.page(f"/support/users/{cast.ada.id}")
    assert "· expires" in page.text
    expire_keys(cast.ada)
    assert "· expired" in sam.page(f"/support/users/{cast.ada.id}").text

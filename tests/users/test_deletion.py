"""Deletion of an account: keys and sessions end, personal data are removed, the audit log stays."""

import pytest
from sqlalchemy import select

from reflow_accounts.auth.models import MailLink, Passkey, RecoveryCode, UserSession
from reflow_accounts.database import db, now
from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.teams.models import Membership, Rights
from reflow_accounts.users.models import User
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.subscriptions.facts import buy

pytestmark = pytest.mark.postgresql_later

PATH = "/account/profile/deletion"


def delete(client, password=factories.PASSWORD):
    return client.submit(client.page(PATH), PATH, password=password)


def test_profile_links_to_a_page_that_lists_the_consequences(cast, client):
    cast.nina.sign_in(client)
    cast.solo.subscribe()
    cast.nina.key(), cast.nina.key()
    [link] = [link for link in client.page("/account/profile").all("a") if link.text == "Delete account"]
    page = client.page(link["href"])
    assert "Your 2 API keys stop working at once" in page.text
    assert "nobody is left in Solo" in page.text
    sentence = (
        "keeps the name that you had at the time of each action and the address to which you were invited"
    )
    assert sentence in page.text and sentence in client.page("/privacy").text
    assert [button for button in page.all("button") if button.text == "Delete account"]


@pytest.mark.parametrize(
    ("state", "is_continued"), [("pending", True), ("active", True), ("ending", False), ("ended", False)]
)
def test_page_warns_of_a_subscription_that_continues_in_aws(cast, client, state, is_continued):
    cast.nina.sign_in(client)
    assert "AWS Marketplace" not in client.page(PATH).text
    buy(cast.solo, state)
    text = client.page(PATH).text
    assert ("The AWS Marketplace subscription of Solo goes on" in text) == is_continued
    assert ("cancel it in AWS Marketplace first" in text) == is_continued


def test_page_names_the_teams_of_the_user(cast, client):
    cast.nina.sign_in(client)
    factories.team(cast.nina.app, "Duo", cast.nina)
    text = client.page(PATH).text
    assert "You leave your teams; nobody is left in" in text
    assert "so the API keys of their service accounts stop working too" in text
    client.send("/logout")
    text = cast.sam.sign_in(client).page(PATH).text
    assert "your team" not in text


def test_user_deletes_the_account(app, cast, client):
    cast.nina.sign_in(client)
    response = delete(client)
    assert (response.status_code, response.headers["Location"]) == (303, "/login")
    assert response.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert "Your account was deleted." in client.page("/login").text
    assert client.get("/account/profile").status_code == 303
    assert client.send("/login", email=cast.nina.email, password=cast.nina.password).status_code == 422
    with app.app_context():
        row = cast.nina.row()
        assert (row.full_name, row.email, row.password_hash) == ("Deleted user", None, None)
        assert (row.totp_secret, row.totp_on_at, row.totp_step) == (None, None, None)
        assert row.deleted_at == row.disabled_at != None  # noqa: E711
        assert not db.session.scalars(select(Membership).filter_by(user_id=row.id)).all()


def test_keys_are_revoked_and_their_uses_are_kept(app, cast, client, api):
    key, session = cast.ben.key("CI"), cast.ben.session()
    assert api(key.secret).get("/me").status_code == 200
    cast.ben.sign_in(client)
    assert delete(client).status_code == 303
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    problem_of(api(session).get("/me"), 401, "unknown_key")
    assert len(rows.uses_of(app, key.id)) >= 1
    events = rows.audit_events(app)
    assert ("api_key.revoked", "Deleted user", "CI") in events
    assert ("account.deleted", "Deleted user", "") in events


def test_personal_data_are_removed(app, cast, client):
    cast.ben.sign_in(client)
    client.send("/forgot-password", email=cast.ben.email)
    cast.ben.change(totp_secret=b"secret", totp_on_at=now(), totp_step=7, is_staff=True)
    with app.app_context():
        db.session.add(RecoveryCode(user_id=cast.ben.number, digest=b"x" * 32))
        db.session.add(
            Passkey(user_id=cast.ben.number, name="laptop", credential_id=b"x", public_key=b"x", sign_count=0)
        )
        db.session.add(
            MailLink(
                purpose="reset_password", user_id=cast.ben.number, email=cast.ben.email, expires_at=now()
            )
        )
        db.session.commit()
    assert delete(client).status_code == 303
    for model in (RecoveryCode, Passkey, MailLink, OutboxMessage):
        assert rows.count(app, model) == 0, model
    with app.app_context():
        for session in db.session.scalars(select(UserSession).filter_by(user_id=cast.ben.number)):
            assert (session.address, session.user_agent) == ("", "")
            assert session.ended_at
        assert cast.ben.row().totp_secret is None
        assert not cast.ben.row().is_staff


def test_address_can_be_used_for_a_new_account(app, cast, client):
    cast.ben.sign_in(client)
    delete(client)
    new_user = factories.person(app, "Ben Again", cast.ben.email)
    assert new_user.sign_in(client).get("/account/profile").status_code == 200


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Enter your password"),
        ("wrong", "This is not your password"),
        ("x" * 2000, "This is not your password"),
    ],
)
def test_deletion_requires_the_password(app, cast, client, password, sentence):
    cast.nina.sign_in(client)
    response = delete(client, password)
    assert response.status_code == 422
    assert sentence in response.text
    refused = [action for action, *_ in rows.audit_events(app) if action == "session.confirmation_refused"]
    assert len(refused) == bool(password)
    assert "Error: Delete account" in response.text
    assert client.get("/account/profile").status_code == 200
    assert "account.deleted" not in [action for action, *_ in rows.audit_events(app)]


def test_opening_the_page_deletes_nothing(cast, client):
    cast.nina.sign_in(client)
    client.get(PATH, query_string={"password": cast.nina.password})
    assert client.get("/account/profile").status_code == 200


def test_last_admin_must_appoint_another_first(app, cast, client):
    cast.ada.sign_in(client)
    page = client.page(PATH)
    assert "Make somebody else Admin first" in page.text
    assert "Acme" in page.text
    assert not [button for button in page.all("button") if button.text == "Delete account"]
    response = client.send(PATH, password=cast.ada.password)
    assert response.status_code == 409
    assert "Make somebody else Admin first" in response.text
    with app.app_context():
        assert cast.ada.row().deleted_at is None
    cast.acme.give(cast.ben, Rights.ADMIN)
    assert delete(client).status_code == 303


def test_disabled_admin_does_not_count(cast, client):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.ben.change(disabled_at=now())
    cast.ada.sign_in(client)
    assert "Make somebody else Admin first" in client.page(PATH).text


def test_keys_of_a_team_without_people_are_revoked(app, cast, client, api):
    account = factories.service_account(app, cast.globex, "globex-ci")
    key = account.key("nightly")
    assert api(key.secret).get("/me").status_code == 200
    cast.charlie.sign_in(client)
    assert "the API keys of its service accounts stop working too" in client.page(PATH).text
    assert delete(client).status_code == 303
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")


def test_invitations_of_a_team_without_people_are_cancelled(app, cast, client, mailbox):
    cast.charlie.sign_in(client)
    client.send(f"/account/teams/{cast.globex.id}/invitations", emails="eve@initech.example", rights="edit")
    link = mailbox.link_in(mailbox.deliver()[0])
    assert delete(client).status_code == 303
    assert "This invitation was cancelled" in app.test_client().get(link).text


def test_departure_is_recorded_for_admins(app, cast, client):
    cast.ben.sign_in(client)
    assert delete(client).status_code == 303
    assert ("member.left", "Deleted user", "Ben Cole (Edit)") in rows.audit_events(app)
    ada = cast.ada.sign_in(app.test_client())
    assert "Ben Cole (Edit)" in ada.page("/account/activity").with_id("activity-panel").text
    vic = cast.vic.sign_in(app.test_client())
    assert "Ben Cole" not in vic.page("/account/activity").with_id("activity-panel").text


def test_keys_of_a_team_with_other_people_are_kept(cast, client, api):
    key = cast.ci.key()
    cast.ben.sign_in(client)
    assert delete(client).status_code == 303
    assert api(key.secret).get("/me").status_code == 200


def test_deletion_requires_log_in(app, cast, client):
    assert client.get(PATH).status_code == 303
    assert client.send(PATH, password=cast.nina.password).headers["Location"].startswith("/login")
    with app.app_context():
        assert not db.session.scalars(select(User).where(User.deleted_at.is_not(None))).all()


def test_support_can_still_open_the_team(cast, client):
    cast.nina.sign_in(client)
    delete(client)
    cast.sam.sign_in(client)
    assert "Nina" not in client.page(f"/support/teams/{cast.solo.id}").text


def test_eleventh_wrong_password_in_five_minutes_is_limited(app, cast, client):
    cast.nina.sign_in(client)
    for _ in range(10):
        assert client.send(PATH, password="wrong").status_code == 422
    assert client.send(PATH, password=cast.nina.password).status_code == 429
    with app.app_context():
        assert cast.nina.row().deleted_at is None

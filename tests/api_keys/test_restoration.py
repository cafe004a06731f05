"""Restore a revoked key: by whom, how long, and what is said, recorded and mailed."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
from reflow_accounts.support import people
from tests.api_auth.both_paths import ME, BothPaths
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.at_once import at_once
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox, text_of

KEYS = "/account/api-keys"
pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def mailbox(app):
    return Mailbox(app)


def is_accepted(api, key):
    return api(key.secret).get("/me").status_code == 200


def test_key_is_restored_with_a_session_and_works_at_once_on_both_paths(app, keys):
    ada, path, key = keys
    both = BothPaths(app)
    try:
        ada.delete(path)
        assert both.same(ME, key.secret).status == 401
        answer = ada.delete(f"{path}/revocation")
        assert (answer.status_code, answer.json["id"], answer.json["revoked_at"]) == (200, key.id, None)
        assert both.same(ME, key.secret, in_flask=0).status == 200
    finally:
        both.close()
    assert ada.get(path).status_code == 200
    assert [act for act, _, _ in rows.acts(app)][-2:] == ["api_key.revoked", "api_key.restored"]


def test_list_of_revoked_keys_says_until_when_each_can_be_restored(cast, api):
    ada, key = api(cast.ada.session()), cast.ada.key()
    ada.delete(f"/keys/{key.id}")
    [shown] = ada.get("/keys?state=revoked").json["items"]
    assert shown["revoked_at"] < shown["restorable_until"]
    with time_machine.travel(now() + timedelta(hours=24, seconds=1)):
        cast.acme.subscribe()
        [shown] = api(cast.ben.session()).get("/keys?state=revoked").json["items"] or [shown]
        again = api(cast.ada.session())
        assert again.get("/keys?state=revoked").json["items"][0]["restorable_until"] is None
        problem = problem_of(again.delete(f"/keys/{key.id}/revocation"), 409, "conflict")
        assert "more than 24 hours ago" in problem["detail"]


def test_key_that_ends_sooner_is_restorable_until_its_end(cast, client):
    ada, end = cast.ada.sign_in(client), now() + timedelta(hours=1)
    path = f"{KEYS}/{cast.ada.key('CI', expires_at=end).id}"
    until = f"You can restore it until {end:%Y-%m-%d %H:%M:%S} UTC"
    assert until in ada.page(f"{path}/revocation").text
    ada.send(f"{path}/revocation")
    assert until in ada.page(path).text


def test_question_about_a_canary_does_not_warn_of_programs_that_stop(cast, client):
    ada = cast.ada.sign_in(client)
    text = ada.page(f"{KEYS}/{cast.ada.key(is_canary=True).id}/revocation").text
    assert "nothing stops working. You can restore it for 24 hours" in text
    assert "will be refused at once" not in text


def test_api_key_restores_no_key(keys, cast, api):
    ada, path, key = keys
    ada.delete(path)
    problem = problem_of(api(cast.ada.key().secret).delete(f"{path}/revocation"), 403, "insufficient_rights")
    assert "reflow login" in problem["detail"]
    assert not is_accepted(api, key)


@pytest.mark.parametrize("how", ["live", "support", "expired", "name"])
def test_other_keys_are_not_restored_and_the_reason_is_said(app, cast, api, how):
    ada = api(cast.ada.session())
    key = cast.ada.key("CI", expires_at=now() + timedelta(hours=1))
    at = now()
    if how == "support":
        with app.app_context():
            from reflow_accounts.database import db

            people.revoke_key(people.key_of(key.id), "found in a log", by=cast.sam.row(), client=CLIENT)
            db.session.commit()
    elif how != "live":
        ada.delete(f"/keys/{key.id}")
    if how == "name":
        cast.ada.key("ci")
    if how == "expired":
        at += timedelta(hours=1)
    with time_machine.travel(at):
        problem = problem_of(ada.delete(f"/keys/{key.id}/revocation"), 409, "conflict")
    assert {
        "live": "not revoked",
        "support": "Support revoked this key",
        "expired": "has expired meanwhile",
        "name": "You have another key named ci meanwhile. Revoke that one, or rename it",
    }[how] in problem["detail"]


def test_deleted_service_account_takes_its_keys_along(cast, api):
    ada, key = api(cast.ada.session()), cast.ci.key()
    account = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    assert ada.delete(account).status_code == 204
    problem = problem_of(ada.delete(f"{account}/keys/{key.id}/revocation"), 409, "conflict")
    assert "revoked with its account" in problem["detail"]


def test_only_the_named_key_is_restored_and_ends_with_its_maker(cast, api):
    ada, maker = api(cast.ada.session()), cast.ada.key("maker")
    made = api(maker.secret).post("/keys", {"name": "made"}).json
    ada.delete(f"/keys/{made['id']}")
    end = (now() + timedelta(hours=1)).isoformat()
    ada.patch(f"/keys/{maker.id}", {"expires_at": end})
    ada.delete(f"/keys/{maker.id}")
    restored = ada.delete(f"/keys/{made['id']}/revocation").json
    assert restored["expires_at"] == ada.get("/keys?state=revoked").json["items"][0]["expires_at"]
    assert not is_accepted(api, maker)


def test_of_restorations_at_once_one_is_done_and_mailed(cast, api, mailbox):
    key, programs = cast.ada.key("CI"), [api(cast.ada.session()) for _ in range(4)]
    programs[0].delete(f"/keys/{key.id}")
    for _ in range(3):
        api(key.secret).get("/me")
    answers = at_once([lambda p=p: p.delete(f"/keys/{key.id}/revocation").status_code for p in programs])
    assert sorted(answers) == [200, 409, 409, 409]
    [message] = mailbox.deliver()
    assert message["Subject"] == "The API key CI was restored"
    assert "3 requests with it were refused" in text_of(message)
    assert "See the keys: http://127.0.0.1:5000/account/api-keys" in text_of(message).splitlines()


def test_key_is_restored_from_the_note_without_javascript(cast, client, api):
    ada, key = cast.ada.sign_in(client), cast.ada.key("CI")
    path = f"{KEYS}/{key.id}"
    ada.submit(ada.page(f"{path}/revocation"), f"{path}/revocation")
    page = ada.page(KEYS)
    assert "CI no longer works." in page.text
    answer = ada.submit(page, f"{path}/restoration")
    assert (answer.status_code, answer.headers["Location"]) == (303, path)
    page = ada.page(path)
    assert "CI works again." in page.text
    assert is_accepted(api, key)
    assert ada.send(f"{path}/restoration").status_code == 409


def test_restoring_needs_a_recent_proof(cast, client, api):
    ada, key = cast.ada.sign_in(client), cast.ada.key("CI")
    cast.ada.revoke(key)
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    answer = ada.submit(ada.page(f"{KEYS}/{key.id}"), f"{KEYS}/{key.id}/restoration")
    assert "Confirm that it is you" in parse(answer.text).text
    assert not is_accepted(api, key)

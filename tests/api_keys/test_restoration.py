"""Restores a revoked key: permissions, time limit, messages, audit log and mail."""

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


def test_restored_key_works_at_once_on_both_paths(app, keys):
    ada, path, key = keys
    both_paths = BothPaths(app)
    try:
        ada.delete(path)
        assert both_paths.same(ME, key.secret).status == 401
        response = ada.delete(f"{path}/revocation")
        assert (response.status_code, response.json["id"], response.json["revoked_at"]) == (200, key.id, None)
        assert both_paths.same(ME, key.secret, in_flask=0).status == 200
    finally:
        both_paths.close()
    assert ada.get(path).status_code == 200
    assert [act for act, _, _ in rows.audit_events(app)][-2:] == ["api_key.revoked", "api_key.restored"]


def test_list_shows_until_when_a_revoked_key_can_be_restored(cast, api):
    ada, key = api(cast.ada.session()), cast.ada.key()
    ada.delete(f"/keys/{key.id}")
    [item] = ada.get("/keys?state=revoked").json["items"]
    assert item["revoked_at"] < item["restorable_until"]
    with time_machine.travel(now() + timedelta(hours=24, seconds=1)):
        cast.acme.subscribe()
        [item] = api(cast.ben.session()).get("/keys?state=revoked").json["items"] or [item]
        again = api(cast.ada.session())
        assert again.get("/keys?state=revoked").json["items"][0]["restorable_until"] is None
        problem = problem_of(again.delete(f"/keys/{key.id}/revocation"), 409, "conflict")
        assert "more than 24 hours ago" in problem["detail"]


def test_key_that_expires_sooner_is_restorable_until_then(cast, client):
    ada, end = cast.ada.sign_in(client), now() + timedelta(hours=1)
    path = f"{KEYS}/{cast.ada.key('CI', expires_at=end).id}"
    until = f"You can restore it until {end:%Y-%m-%d %H:%M:%S} UTC"
    assert until in ada.page(f"{path}/revocation").text
    ada.send(f"{path}/revocation")
    assert until in ada.page(path).text


def test_revocation_of_a_canary_warns_of_no_programs_that_stop(cast, client):
    ada = cast.ada.sign_in(client)
    text = ada.page(f"{KEYS}/{cast.ada.key(is_canary=True).id}/revocation").text
    assert "nothing stops working. You can restore it for 24 hours" in text
    assert "will be refused at once" not in text


def test_api_key_cannot_restore_a_key(keys, cast, api):
    ada, path, key = keys
    ada.delete(path)
    problem = problem_of(api(cast.ada.key().secret).delete(f"{path}/revocation"), 403, "insufficient_rights")
    assert "reflow login" in problem["detail"]
    assert not is_accepted(api, key)


@pytest.mark.parametrize("reason", ["live", "support", "expired", "name"])
def test_other_keys_are_not_restored_and_the_reason_is_given(app, cast, api, reason):
    ada = api(cast.ada.session())
    key = cast.ada.key("CI", expires_at=now() + timedelta(hours=1))
    at = now()
    if reason == "support":
        with app.app_context():
            from reflow_accounts.database import db

            people.revoke_key(people.key_of(key.id), "found in a log", by=cast.sam.row(), client=CLIENT)
            db.session.commit()
    elif reason != "live":
        ada.delete(f"/keys/{key.id}")
    if reason == "name":
        cast.ada.key("ci")
    if reason == "expired":
        at += timedelta(hours=1)
    with time_machine.travel(at):
        problem = problem_of(ada.delete(f"/keys/{key.id}/revocation"), 409, "conflict")
    assert {
        "live": "not revoked",
        "support": "Support revoked this key",
        "expired": "has expired meanwhile",
        "name": "You have another key named ci meanwhile. Revoke that one, or rename it",
    }[reason] in problem["detail"]


def test_replaced_key_is_not_restored_beside_another_with_its_name(cast, api):
    ada, key = api(cast.ada.session()), cast.ada.key("CI")
    new = ada.post(f"/keys/{key.id}/rotation", {}).json
    for key_id in (new["id"], key.id):
        assert ada.delete(f"/keys/{key_id}").status_code == 204
    cast.ada.key("CI")
    problem = problem_of(ada.delete(f"/keys/{key.id}/revocation"), 409, "conflict")
    assert "You have another key named CI meanwhile" in problem["detail"]


def test_key_of_a_deleted_service_account_is_not_restored(cast, api):
    ada, key = api(cast.ada.session()), cast.ci.key()
    account = f"/teams/{cast.acme.id}/service-accounts/{cast.ci.id}"
    assert ada.delete(account).status_code == 204
    problem = problem_of(ada.delete(f"{account}/keys/{key.id}/revocation"), 409, "conflict")
    assert "revoked with its account" in problem["detail"]


def test_restored_key_expires_with_its_creator_which_stays_revoked(cast, api):
    ada, creator = api(cast.ada.session()), cast.ada.key("maker")
    created = api(creator.secret).post("/keys", {"name": "made"}).json
    ada.delete(f"/keys/{created['id']}")
    end = (now() + timedelta(hours=1)).isoformat()
    ada.patch(f"/keys/{creator.id}", {"expires_at": end})
    ada.delete(f"/keys/{creator.id}")
    restored = ada.delete(f"/keys/{created['id']}/revocation").json
    assert restored["expires_at"] == ada.get("/keys?state=revoked").json["items"][0]["expires_at"]
    assert not is_accepted(api, creator)


def test_concurrent_restorations_restore_and_mail_once(cast, api, mailbox):
    key, programs = cast.ada.key("CI"), [api(cast.ada.session()) for _ in range(4)]
    cast.ada.change(disabled_at=now())
    api(key.secret).get("/me")  # refused for another reason
    cast.ada.change(disabled_at=None)
    other = cast.ada.key("Another")
    for revoked, refusal_count in ((other, 5), (key, 3)):
        programs[0].delete(f"/keys/{revoked.id}")
        for _ in range(refusal_count):
            api(revoked.secret).get("/me")
    statuses = at_once(
        [
            lambda program=program: program.delete(f"/keys/{key.id}/revocation").status_code
            for program in programs
        ]
    )
    assert sorted(statuses) == [200, 409, 409, 409]
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
    response = ada.submit(page, f"{path}/restoration")
    assert (response.status_code, response.headers["Location"]) == (303, path)
    page = ada.page(path)
    assert "CI works again." in page.text
    assert is_accepted(api, key)
    assert ada.send(f"{path}/restoration").status_code == 409


def test_restoration_requires_a_recent_proof(cast, client, api):
    ada, key = cast.ada.sign_in(client), cast.ada.key("CI")
    cast.ada.revoke(key)
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    response = ada.submit(ada.page(f"{KEYS}/{key.id}"), f"{KEYS}/{key.id}/restoration")
    assert "Confirm that it is you" in parse(response.text).text
    assert not is_accepted(api, key)

"""Download of one's own data: complete, without secrets or other people's data, streamed."""

import json

import pytest

from reflow_accounts.activity import personal_data, streaming
from reflow_accounts.api_keys.usage.clients import collect_clients
from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db, now
from reflow_accounts.subscriptions import licences
from tests.api_keys.usage import use_log
from tests.helpers import rows
from tests.teams.team_actions import invite

pytestmark = pytest.mark.postgresql_later

PAGE, FILE = "/account/profile", "/account/profile/export"


def download(client):
    response = client.get(FILE)
    assert response.status_code == 200, response.text
    assert response.mimetype == "application/json"
    assert response.headers["Content-Disposition"] == 'attachment; filename="reflow-data.json"'
    assert response.headers["Cache-Control"] == "no-store"
    return json.loads(response.data)


@pytest.fixture
def ada(cast, client):
    return cast.ada.sign_in(client)


def test_file_contains_all_data_about_the_person(cast, api, ada):
    [link] = [link for link in ada.page(PAGE).all("a") if link.text == "Download my data"]
    assert link["href"] == FILE
    key = cast.ada.key("CI")
    api(key.secret).get("/me", headers={"User-Agent": "curl/8"})
    invite(ada, cast.acme, "eve@initech.example")
    data = download(ada)
    account = {"id": cast.ada.id, "full_name": "Ada Park", "email": cast.ada.email, "is_staff": False}
    assert account.items() <= data["account"].items()
    assert [(team["name"], team["rights"]) for team in data["teams"]] == [("Acme", "admin")]
    assert [(item["name"], item["id"]) for item in data["api_keys"]] == [("CI", key.id)]
    [use] = data["uses_of_api_keys"]
    assert (use["key"], use["path"], use["user_agent"]) == (key.id, "/api/v1/me", "curl/8")
    assert [item["email"] for item in data["invitations"]] == ["eve@initech.example"]
    assert [item["kind"] for item in data["sessions"]] == ["browser"]
    events = {event["action"] for event in data["activity"]}
    assert {"session.created", "api_key.created", "member.invited"} <= events
    assert (list(data)[-1], data["complete"]) == ("complete", True)


def test_file_contains_no_secrets_and_no_data_of_others(app, cast, ada):
    secret, other_key = cast.ada.key("CI").secret, cast.ben.key("plans of Ben")
    command = cast.ada.session()
    with app.app_context():
        digests = [row.digest for row in db.session.query(UserSession)]
    text = ada.get(FILE).text
    assert secret not in text
    assert command not in text
    assert "$2b$" not in text
    assert not [digest for digest in digests if digest.hex() in text]
    assert other_key.id not in text
    assert cast.ben.email not in text
    assert "digest" not in text


def test_file_leaves_out_what_support_did_and_from_where_others_did(cast, client, api):
    cast.sam.log_in(client).page(f"/support/users/{cast.ben.id}")
    client.post("/logout")
    member = f"/teams/{cast.acme.id}/members/{cast.ben.id}"
    assert api(cast.ada.session()).patch(member, {"rights": "view"}).status_code == 200
    data = download(cast.ben.log_in(client))
    addresses = {event["action"]: event["address"] for event in data["activity"]}
    assert addresses == {"member.rights_changed": "", "session.created": "127.0.0.1"}


def test_file_holds_the_purchases_of_the_person_alone(app, cast, ada):
    for person, team, key in ((cast.ada, cast.acme, "l-mine"), (cast.charlie, cast.globex, "l-other")):
        with app.app_context():
            bought = licences.add_or_complete(key, product_code="reflow", aws_account="123456789012")
            licences.connect_to_team(bought, team.row(), by=person.row())
            db.session.commit()
    assert [one["licence"] for one in download(ada)["purchases"]] == ["l-mine"]


def test_long_file_is_streamed_in_small_pieces(app, cast, ada):
    key = use_log.key_number(app, cast.ada.key("busy").id)
    use_log.append_many(app, key, 3000)
    use_log.roll_up(app)
    with rows.collect_statements(app) as statements:
        pieces = list(ada.get(FILE, buffered=False).response)
    data = json.loads(b"".join(pieces))
    assert len(data["uses_of_api_keys"]) == 3000
    assert max(map(len, pieces)) < 100_000
    assert statements.count < 15 * len(pieces)


def test_list_that_fills_one_batch_is_complete(app, cast, ada, monkeypatch):
    monkeypatch.setattr(personal_data, "ROWS_AT_ONCE", 2)
    for name in ("one", "two"):
        cast.ada.key(name)
    data = download(ada)
    assert [key["name"] for key in data["api_keys"]] == ["one", "two"]
    assert data["complete"]
    times = [event["at"] for event in data["activity"]]
    assert times == sorted(times, reverse=True)
    assert len(times) > 2


@pytest.mark.parametrize("number", [1, 2, 3])
def test_clients_of_several_keys_are_complete_in_any_batches(app, cast, api, ada, monkeypatch, number):
    keys = [cast.ada.key(name) for name in ("one", "two", "three")]
    used = [(key, f"curl/{version}") for key in keys for version in range(1, 4)]
    for key, program in used:
        api(key.secret).get("/me", headers={"User-Agent": program})
    use_log.roll_up(app)
    with app.app_context():
        collect_clients()
    monkeypatch.setattr(personal_data, "ROWS_AT_ONCE", number)
    clients = download(ada)["clients_of_api_keys"]
    assert [(item["key"], item["program"]) for item in clients] == [(key.id, name) for key, name in used]


def test_file_that_is_cut_short_says_so(app, cast, ada):
    use_log.append_many(app, use_log.key_number(app, cast.ada.key("busy").id), 500)
    pieces = iter(ada.get(FILE, buffered=False).response)
    first_piece = next(pieces)
    cast.ada.change(disabled_at=now())
    data = json.loads(b"".join([first_piece, *pieces]))
    assert (data["complete"], data["note"]) == (False, streaming.CUT_SHORT)


def test_downloads_are_limited(app, cast, ada, another):
    from tests.helpers.page_client import PageClient

    limited = another(rate_limits=True)
    client = PageClient(limited, limited.response_class)
    cast.ada.sign_in(client)
    statuses = [client.get(FILE).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]

"""Users and keys in the console: search, view, end sessions, revoke."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox, text_of

pytestmark = pytest.mark.postgresql_later

PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def look_up_key(sam, secret):
    return sam.submit(sam.page("/support"), "/support/keys", api_key=secret)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("Ada P", "Ada Park"), ("BEN@", "Ben Cole"), ("acme-ci", "acme-ci"), ("%", None), ("nobody", None)],
)
def test_staff_find_users_by_name_or_address(cast, sam, query, expected):
    page = sam.page("/support", query_string={"q": query})
    people = [link.text for link in page.all("a") if link["href"].startswith("/support/users/")]
    assert people == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("query", "announcement"),
    [
        ("acme-ci", "0 teams match. 1 account matches."),
        ("@acme", "1 team matches. 3 accounts match."),
        ("zz", "0 teams match."),
    ],
)
def test_found_users_are_announced(cast, sam, query, announcement):
    page = sam.page("/support", query_string={"q": query})
    assert page.with_id("support-results")["data-announce"] == announcement


def test_searches_are_recorded(app, cast, sam, api):
    sam.page("/support?q=ada")
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "ada")
    assert api(cast.sam.session()).get("/support/teams?q=acme").status_code == 200
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "acme")


def test_staff_find_users_and_their_team_by_id(cast, sam):
    page = sam.page(f"/support?q={cast.ada.id}")
    assert "Ada Park" in page.text
    assert "ctivate subscription for Acme" in page.text
    assert "Globex" not in page.text


def test_staff_find_a_team_by_its_aws_account(cast, sam):
    from tests.subscriptions.facts import buy

    buy(cast.solo)
    for query in ("123456789012", "1234-5678-9012"):
        page = sam.page("/support", query_string={"q": query})
        assert "Solo" in page.text
        assert "Globex" not in page.text


@pytest.mark.parametrize(
    "template",
    [
        "# server: https://reflow.example\n{}\n",
        # A browser leaves out line ends.
        "# server: https://reflow.example{}",
        "Bearer {}",
        "Authorization: Bearer {}",
        "REFLOW_API_KEY={}",
        "export REFLOW_API_KEY='{}'",
        "the key is {}, it says 401",
    ],
)
def test_key_is_found_in_copied_text(app, cast, sam, caplog, template):
    key = cast.ada.key("nightly")
    response = look_up_key(sam, template.format(key.secret))
    assert "This key is nightly" in parse(response.text).text
    assert response.request.query_string == b""
    assert key.secret not in response.text + str(response.headers) + caplog.text
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "nightly")
    assert key.secret not in str(rows.audit_events(app))


def test_field_accepts_a_whole_key_file(cast, sam):
    [field] = [field for field in sam.page("/support").all("input") if field["name"] == "api_key"]
    assert int(field["maxlength"]) >= 1000


@pytest.mark.parametrize(
    "state", ["Live", "Revoked", "Refused: its owner is disabled", "Canary: it opens nothing"]
)
def test_pasted_key_is_found_and_not_repeated(app, cast, sam, caplog, state):
    key = cast.ada.key("nightly", is_canary="Canary" in state)
    if state == "Revoked":
        cast.ada.revoke(key)
    if "disabled" in state:
        from reflow_accounts.database import now

        cast.ada.change(disabled_at=now())
    response = look_up_key(sam, f" {key.secret} ")
    page = parse(response.text)
    for query in ("This key is nightly", "Ada Park", state):
        assert query in page.text
    assert key.secret not in response.text + caplog.text
    assert key.secret not in (response.request.full_path or "")
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "nightly")


@pytest.mark.parametrize("secret", ["", "rfk_", "rfk_" + "a" * 49, "x" * 5000, "rfs_" + "0" * 49, "\u2028"])
def test_unknown_key_is_reported(app, cast, sam, secret):
    response = look_up_key(sam, secret)
    assert response.status_code == 200
    assert "There is no such key" in response.text
    assert rows.audit_events(app)[-1] == ("support.searched", "Sam Hale", "an unknown API key")


def test_user_view_is_recorded_and_not_shown_to_the_user(app, cast, sam, api):
    key = cast.ada.key("nightly")
    response = sam.get(f"/support/users/{cast.ada.id}")
    assert "nightly" in response.text
    assert key.secret not in response.text
    assert rows.audit_events(app)[-1] == ("support.user_viewed", "Sam Hale", "Ada Park")
    assert "user_viewed" not in api(cast.ada.session()).get("/activity").text


def test_key_is_revoked_with_a_reason_for_its_owner(app, cast, sam, api):
    key = cast.ada.key("nightly")
    mailbox = Mailbox(app)
    path = f"/support/keys/{key.id}/revocation"
    dialog = sam.page(path)
    assert sam.submit(dialog, path, reason=" ").status_code == 422
    assert api(key.secret).get("/me").status_code == 200
    assert [sam.submit(dialog, path, reason="Seen in a public log").status_code for _ in range(2)] == [
        303,
        303,
    ]
    problem_of(api(key.secret).get("/me"), 401, "revoked_key")
    [message] = mailbox.deliver()
    assert message["To"] == cast.ada.email
    assert "Seen in a public log" in text_of(message)
    assert [act for act in rows.audit_events(app) if act[0] == "api_key.revoked"] == [
        ("api_key.revoked", "Sam Hale", "nightly")
    ]


def test_revocation_of_a_service_account_key_is_mailed_to_admins(app, cast, sam):
    key = cast.ci.key("ci")
    cast.acme.give(cast.ben, Rights.ADMIN)
    mailbox = Mailbox(app)
    path = f"/support/keys/{key.id}/revocation"
    dialog = sam.page(path)
    assert "The Admins of its team read it in a mail." in dialog.text
    sam.submit(dialog, path, reason="Leaked")
    assert sorted(message["To"] for message in mailbox.deliver()) == [cast.ada.email, cast.ben.email]


def test_sessions_of_a_user_are_ended_with_a_reason(app, cast, sam, api):
    session = cast.ada.session()
    path = f"/support/users/{cast.ada.id}/sessions/end"
    dialog = sam.page(path)
    assert sam.submit(dialog, path, reason="").status_code == 422
    assert api(session).get("/me").status_code == 200
    assert sam.submit(dialog, path, reason="Laptop lost", headers=PANEL).headers["HX-Redirect"]
    assert api(session).get("/me").status_code == 401
    assert rows.audit_events(app)[-1] == ("session.ended_elsewhere", "Sam Hale", "1 session")
    with app.app_context():
        newest = select(AuditEvent.address).order_by(AuditEvent.id.desc()).limit(1)
        assert db.session.scalar(newest) == "127.0.0.1"


def test_expired_sessions_are_neither_listed_nor_counted(cast, sam):
    cast.ada.session()
    cast.ada.change_sessions(last_active_at=now() - timedelta(days=8))
    path = f"/support/users/{cast.ada.id}"
    assert "Not signed in anywhere." in sam.page(path).text
    sam.send(f"{path}/sessions/end", reason="Lost")
    assert "0 sessions of Ada Park ended." in sam.page(path).text


def test_only_live_sessions_are_listed_and_all_are_counted(cast, sam):
    for _ in range(3):
        cast.ada.session()
    cast.ada.change_sessions(last_active_at=now() - timedelta(days=8))
    path = f"/support/users/{cast.ada.id}"
    assert "Not signed in anywhere." in sam.page(path).text
    assert "0 sessions will end at once" in sam.page(f"{path}/sessions/end").text
    for _ in range(51):
        cast.ada.session()
    assert "The 50 that were last active are listed, of 51 sessions." in sam.page(path).text
    assert "51 sessions will end at once" in sam.page(f"{path}/sessions/end").text


def test_staff_cannot_act_on_themselves(cast, sam):
    cast.globex.add(cast.sam, Rights.VIEW)
    key = cast.sam.key()
    for path in (f"/support/keys/{key.id}/revocation", f"/support/users/{cast.sam.id}/sessions/end"):
        assert sam.get(path).status_code == 403
        assert sam.send(path, reason="me").status_code == 403
    assert sam.get(f"/support/users/{cast.sam.id}").status_code == 200


def test_sensitive_actions_require_a_recent_proof(cast, sam, api):
    key = cast.ada.key()
    cast.sam.change_sessions(proven_at=now() - timedelta(hours=1), support_active_at=now())
    response = sam.send(f"/support/keys/{key.id}/revocation", reason="Leaked")
    assert response.status_code == 403
    assert api(key.secret).get("/me").status_code == 200


@pytest.mark.parametrize(
    "path", ["/support/users/usr_x", "/support/keys/key_x/revocation", "/support/users/x/sessions/end"]
)
def test_missing_objects_are_404(sam, path):
    assert sam.get(path).status_code == 404


def test_names_and_reasons_are_escaped(cast, sam):
    markup = "<script>alert(1)</script>"
    key = cast.ada.key(markup)
    sam.send(f"/support/keys/{key.id}/revocation", reason=markup)
    for path in (f"/support/users/{cast.ada.id}", f"/support/teams/{cast.acme.id}"):
        assert markup not in sam.get(path).text


def test_keys_on_the_user_page_have_no_owner_column(cast, sam):
    cast.ada.key("bait", is_canary=True)
    page = sam.page(f"/support/users/{cast.ada.id}")
    headings = [heading.text for heading in page.all("th") if heading["scope"] == "col"]
    assert "Owner" not in headings
    assert "· canary" in page.text
    assert "Owner" in sam.page(f"/support/teams/{cast.acme.id}").text

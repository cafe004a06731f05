"""A refused sign-in is shown to the owner of the account, and to nobody else."""

import pytest

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db, now
from tests.helpers import rows
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

WRONG = "guess"
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def refusals(app) -> list[tuple[int | None, str, str]]:
    """List the refused sign-ins as (account, device, address)."""
    with app.app_context():
        query = db.select(AuditEvent).where(AuditEvent.action == "session.refused").order_by(AuditEvent.id)
        return [(act.account_id, act.subject, act.address) for act in db.session.scalars(query)]


def test_owner_sees_the_refused_sign_in(app, cast, client):
    thief = app.test_client()
    thief.environ_base["REMOTE_ADDR"] = "198.51.100.9"
    response = thief.send("/login", headers=FIREFOX, email=cast.ada.email, password=WRONG)
    assert response.status_code == 422
    assert refusals(app) == [(cast.ada.number, "Firefox on Linux", "198.51.100.9")]
    cast.ada.sign_in(client)
    lines = [row.text for row in client.page("/account/activity").all("tr") if "Sign-in refused" in row.text]
    assert len(lines) == 1
    for text in ("Firefox on Linux", "Somebody", "198.51.100.9"):
        assert text in lines[0]
    cast.ben.sign_in(client)
    assert "Sign-in refused" not in client.page("/account/activity").text


def test_refused_sign_in_of_the_command_is_recorded(app, cast, api):
    response = api().post("/sessions", {"email": cast.ada.email, "password": WRONG})
    assert response.status_code == 401
    assert refusals(app) == [(cast.ada.number, "Unknown device", "127.0.0.1")]


@pytest.mark.parametrize("email", ["nobody@acme.example", "a-password-typed-in-the-wrong-field", ""])
def test_unknown_address_is_not_recorded(app, cast, client, email):
    client.send("/login", email=email, password=WRONG)
    assert [account for account, *_ in refusals(app)] == [None]
    with app.app_context():
        event = db.session.scalars(db.select(AuditEvent).where(AuditEvent.action == "session.refused")).one()
        assert not email or email not in f"{event.subject}{event.details}{event.actor_name}"


def test_refusals_need_the_same_statements_for_every_account(app, cast, client, api):
    cast.ben.change(disabled_at=now())
    attempts = [cast.ada.email, cast.ben.email, "nobody@acme.example"]
    seen = set()
    for email in attempts:
        with rows.collect_statements(app) as page:
            client.send("/login", email=email, password=WRONG)
        with rows.collect_statements(app) as program:
            api().post("/sessions", {"email": email, "password": WRONG})
        seen.add((tuple(page.seen), tuple(program.seen)))
    assert len(seen) == 1


def test_successful_sign_in_is_not_recorded_as_refused(app, cast, client):
    cast.ada.sign_in(client)
    assert refusals(app) == []
    assert "Sign-in refused" not in parse(client.get("/account/activity").text).text

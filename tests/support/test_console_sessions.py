"""The console requires authentication after 30 idle minutes or 12 hours."""

from datetime import timedelta

import pytest

from reflow_accounts.auth.models import UserSession
from reflow_accounts.database import db, now
from tests.helpers import rows
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

MINUTE = timedelta(minutes=1)
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def set_console_session(cast, *, proven: timedelta, active: timedelta | None) -> None:
    cast.sam.change_sessions(
        proven_at=now() - proven, support_active_at=None if active is None else now() - active
    )


@pytest.mark.parametrize(
    ("proven", "active", "status"),
    [
        (29 * MINUTE, None, 200),
        (31 * MINUTE, None, 403),
        (11 * 60 * MINUTE, 29 * MINUTE, 200),
        (11 * 60 * MINUTE, 31 * MINUTE, 403),
        (12 * 60 * MINUTE + MINUTE, MINUTE, 403),
        # A recent proof opens the console, even after a long idle time.
        (MINUTE, 31 * MINUTE, 200),
    ],
)
def test_console_closes_after_idle_time_and_after_twelve_hours(cast, sam, proven, active, status):
    set_console_session(cast, proven=proven, active=active)
    for path in ("/support?q=Acme", f"/support/teams/{cast.acme.id}"):
        response = sam.get(path)
        assert response.status_code == status
        assert ("Staff only" in response.text) == (status == 200)
    assert sam.get("/account/profile").status_code == 200


def test_use_of_the_console_extends_the_session(app, cast, sam):
    set_console_session(cast, proven=11 * 60 * MINUTE, active=29 * MINUTE)
    assert sam.get("/support").status_code == 200
    with app.app_context():
        assert now() - db.session.scalars(db.select(UserSession.support_active_at)).one() < MINUTE


def test_refused_request_does_not_extend_the_session(cast, sam):
    set_console_session(cast, proven=11 * 60 * MINUTE, active=31 * MINUTE)
    assert [sam.get("/support").status_code for _ in range(2)] == [403, 403]


def test_account_pages_do_not_extend_the_session(cast, sam):
    set_console_session(cast, proven=11 * 60 * MINUTE, active=31 * MINUTE)
    sam.get("/account/profile")
    assert sam.get("/support").status_code == 403


def test_staff_return_to_their_page_after_the_proof(cast, sam):
    set_console_session(cast, proven=13 * 60 * MINUTE, active=MINUTE)
    path = f"/support/teams/{cast.acme.id}"
    page = parse(sam.get(path).text)
    response = sam.submit(page, "/account/confirmation", proof_password=cast.sam.password)
    assert response.headers["Location"] == path
    assert "Acme" in sam.page(path).text


@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
@pytest.mark.parametrize("idle", [29 * MINUTE, 31 * MINUTE], ids=["open", "closed"])
def test_change_is_made_in_the_response_to_one_proof(app, cast, sam, headers, idle):
    path = f"/support/teams/{cast.acme.id}/subscription"
    dialog = sam.page(f"{path}?active=false")
    set_console_session(cast, proven=11 * 60 * MINUTE, active=idle)
    proof_page = sam.submit(dialog, path, reason="Invoice 7 unpaid", headers=headers)
    assert proof_page.status_code == 403
    assert "subscription.deactivated" not in [action for action, *_ in rows.audit_events(app)]
    response = sam.submit(parse(proof_page.text), path, proof_password=cast.sam.password, headers=headers)
    assert response.status_code == (200 if headers else 303)
    assert [act[0] for act in rows.audit_events(app)[-2:]] == [
        "session.confirmed",
        "subscription.deactivated",
    ]
    assert "Invoice 7 unpaid" in sam.page(f"/support/teams/{cast.acme.id}").text


def test_staff_return_from_a_download_to_its_page_after_the_proof(cast, sam):
    set_console_session(cast, proven=13 * 60 * MINUTE, active=None)
    page = sam.page("/support/export?q=Acme", 403)
    response = sam.submit(page, "/account/confirmation", proof_password=cast.sam.password)
    assert response.headers["Location"] == "/support?q=Acme"


def test_console_is_404_for_customers_with_old_proof(cast, client):
    cast.ada.sign_in(client)
    cast.ada.change_sessions(proven_at=None)
    assert client.get("/support").status_code == 404

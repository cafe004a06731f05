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


def open_since(cast, *, proven: timedelta, active: timedelta | None) -> None:
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
        # A proof after a long rest opens the console, whenever it was last used.
        (MINUTE, 31 * MINUTE, 200),
    ],
)
def test_console_closes_after_half_an_hour_of_rest_and_after_half_a_day(cast, sam, proven, active, status):
    open_since(cast, proven=proven, active=active)
    for path in ("/support?q=Acme", f"/support/teams/{cast.acme.id}"):
        answer = sam.get(path)
        assert answer.status_code == status
        assert ("Staff only" in answer.text) == (status == 200)
    assert sam.get("/account/profile").status_code == 200


def test_using_the_console_keeps_it_open(app, cast, sam):
    open_since(cast, proven=11 * 60 * MINUTE, active=29 * MINUTE)
    assert sam.get("/support").status_code == 200
    with app.app_context():
        assert now() - db.session.scalars(db.select(UserSession.support_active_at)).one() < MINUTE


def test_refused_look_does_not_open_the_console(cast, sam):
    open_since(cast, proven=11 * 60 * MINUTE, active=31 * MINUTE)
    assert [sam.get("/support").status_code for _ in range(2)] == [403, 403]


def test_account_pages_do_not_count_as_use_of_the_console(cast, sam):
    open_since(cast, proven=11 * 60 * MINUTE, active=31 * MINUTE)
    sam.get("/account/profile")
    assert sam.get("/support").status_code == 403


def test_staff_continue_where_they_were(cast, sam):
    open_since(cast, proven=13 * 60 * MINUTE, active=MINUTE)
    path = f"/support/teams/{cast.acme.id}"
    page = parse(sam.get(path).text)
    answer = sam.submit(page, "/account/confirmation", proof_password=cast.sam.password)
    assert answer.headers["Location"] == path
    assert "Acme" in sam.page(path).text


@pytest.mark.parametrize("headers", [{}, PANEL], ids=["page", "dialog"])
@pytest.mark.parametrize("rest", [29 * MINUTE, 31 * MINUTE], ids=["open", "closed"])
def test_change_is_made_in_the_answer_to_one_proof(app, cast, sam, headers, rest):
    path = f"/support/teams/{cast.acme.id}/subscription"
    dialog = sam.page(f"{path}?active=false")
    open_since(cast, proven=11 * 60 * MINUTE, active=rest)
    asked = sam.submit(dialog, path, reason="Invoice 7 unpaid", headers=headers)
    assert asked.status_code == 403
    assert "subscription.deactivated" not in [action for action, *_ in rows.acts(app)]
    answer = sam.submit(parse(asked.text), path, proof_password=cast.sam.password, headers=headers)
    assert answer.status_code == (200 if headers else 303)
    assert [act[0] for act in rows.acts(app)[-2:]] == ["session.confirmed", "subscription.deactivated"]
    assert "Invoice 7 unpaid" in sam.page(f"/support/teams/{cast.acme.id}").text


def test_console_is_404_for_customers_with_old_proof(cast, client):
    cast.ada.sign_in(client)
    cast.ada.change_sessions(proven_at=None)
    assert client.get("/support").status_code == 404

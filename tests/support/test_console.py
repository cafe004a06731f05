"""The console: search teams, view a team, override its subscription."""

from datetime import timedelta

import pytest

from reflow_accounts.database import now
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

DIALOG = {"HX-Request": "true", "HX-Target": "div#modal"}
PANEL = {"HX-Request": "true", "HX-Target": "div#dialog-panel"}


def console_paths(cast) -> list[str]:
    team = f"/support/teams/{cast.acme.id}"
    return ["/support", "/support?q=Acme", team, f"{team}/subscription?active=false"]


@pytest.mark.parametrize("user", ["ada", "ben", "vic", "charlie", "nina"])
def test_console_is_404_for_customers(cast, client, user):
    getattr(cast, user).sign_in(client)
    for path in [*console_paths(cast), "/support/teams/team_missing"]:
        response = client.get(path)
        assert response.status_code == 404
        assert "Support console" not in response.text


def test_customers_cannot_change_subscriptions(cast, client, api):
    key = cast.ada.key()
    cast.ada.sign_in(client)
    path = f"/support/teams/{cast.acme.id}/subscription"
    assert client.send(path, active="false", reason="mine", seen="1").status_code == 404
    assert api(key.secret).get("/me").status_code == 200


def test_console_requires_log_in(cast, client):
    for path in console_paths(cast):
        assert client.get(path).status_code == 404
    path = f"/support/teams/{cast.acme.id}/subscription"
    assert client.send(path, active="false", reason="mine", seen="1").status_code == 404


def test_staff_log_in_again_after_their_session_ended(cast, sam):
    cookie = sam.get_cookie("reflow").value
    sam.send("/logout")
    sam.set_cookie("reflow", cookie)
    assert sam.get("/support").headers["Location"] == "/login?next=/support"


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"Acme", "Globex", "Solo"}),
        ("acme", {"Acme"}),
        ("ADA@", {"Acme"}),
        ("ob", {"Globex"}),
        ("%", set()),
        ("_", set()),
        ("nobody", set()),
    ],
)
def test_staff_find_teams_by_name_or_address(cast, sam, query, expected):
    page = sam.page("/support", query_string={"q": query})
    listed = {team for team in ("Acme", "Globex", "Solo") if f"ctivate subscription for {team}" in page.text}
    assert listed == expected


def test_staff_find_a_team_by_its_id(cast, sam):
    page = sam.page(f"/support?q={cast.solo.id}")
    assert "Solo" in page.text
    assert "Globex" not in page.text


def test_staff_deactivate_with_a_reason(app, cast, sam, api):
    key = cast.ada.key()
    path = f"/support/teams/{cast.acme.id}/subscription"
    dialog = sam.page(f"{path}?active=false")
    response = sam.submit(dialog, path, reason="Invoice 7 unpaid")
    assert response.status_code == 303
    problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert rows.audit_events(app)[-1] == ("subscription.deactivated", "Sam Hale", "Acme")
    page = sam.page(f"/support/teams/{cast.acme.id}")
    assert "Invoice 7 unpaid" in page.text
    assert "Sam Hale" in page.text


def test_staff_activate_and_the_key_works_again(cast, sam, api):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    path = f"/support/teams/{cast.acme.id}/subscription"
    sam.submit(sam.page(f"{path}?active=true"), path, reason="Paid")
    assert api(key.secret).get("/me").status_code == 200


def test_dialog_replaces_the_results(cast, sam):
    path = f"/support/teams/{cast.acme.id}/subscription"
    dialog = sam.page(f"{path}?active=false", headers=DIALOG)
    response = sam.submit(dialog, path, reason="Unpaid", headers=PANEL)
    assert response.status_code == 200
    assert "close-dialog" in response.headers["HX-Trigger"]
    assert "Activate subscription for Acme" in response.text


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "a\nb", "\u200b"])
def test_change_requires_a_reason(app, cast, sam, api, reason):
    key = cast.ada.key()
    path = f"/support/teams/{cast.acme.id}/subscription"
    response = sam.submit(sam.page(f"{path}?active=false"), path, reason=reason)
    assert response.status_code == 422
    assert "subscription.deactivated" not in [action for action, *_ in rows.audit_events(app)]
    assert api(key.secret).get("/me").status_code == 200


def test_decision_on_an_old_version_is_a_conflict(cast, sam, api):
    key = cast.ada.key()
    path = f"/support/teams/{cast.acme.id}/subscription"
    old = sam.page(f"{path}?active=false")
    cast.acme.unsubscribe()
    cast.acme.subscribe()
    response = sam.submit(old, path, reason="Unpaid")
    assert response.status_code == 409
    assert "Operator" in response.text
    assert api(key.secret).get("/me").status_code == 200
    assert sam.submit(old, path, reason="Unpaid", headers=PANEL).status_code == 409


def test_own_change_in_another_tab_is_a_conflict(cast, sam, api):
    key = cast.ada.key()
    path = f"/support/teams/{cast.acme.id}/subscription"
    sam.submit(sam.page(f"{path}?active=false"), path, reason="Unpaid")
    old = sam.page(f"{path}?active=false")
    sam.submit(sam.page(f"{path}?active=true"), path, reason="Paid")
    assert sam.submit(old, path, reason="Unpaid").status_code == 409
    assert api(key.secret).get("/me").status_code == 200


def test_own_end_set_in_another_tab_is_not_overwritten(cast, sam):
    path = f"/support/teams/{cast.acme.id}/subscription"
    cast.acme.unsubscribe()
    old = sam.page(f"{path}?active=true")
    later, sooner = (f"{now() + timedelta(days=days):%Y-%m-%d}" for days in (60, 2))
    assert sam.submit(sam.page(f"{path}?active=true"), path, reason="Paid", until=later).status_code == 303
    assert sam.submit(old, path, reason="Paid", until=later).status_code == 303
    assert sam.submit(old, path, reason="Paid", until=sooner).status_code == 409


def test_same_decision_twice_is_one_change(app, cast, sam):
    path = f"/support/teams/{cast.acme.id}/subscription"
    dialog = sam.page(f"{path}?active=false")
    assert [sam.submit(dialog, path, reason="Unpaid").status_code for _ in range(2)] == [303, 303]
    assert [action for action, *_ in rows.audit_events(app)].count("subscription.deactivated") == 1


def test_staff_cannot_change_their_own_team(app, cast, sam):
    cast.solo.add(cast.sam, Rights.VIEW)
    path = f"/support/teams/{cast.solo.id}/subscription"
    for response in (
        sam.get(f"{path}?active=true"),
        sam.send(path, active="true", reason="For me", seen="0"),
        sam.send(path, active="true", reason="For me", seen="0", headers=PANEL),
        sam.send(path, active="aws", reason="For me", seen="0"),
    ):
        assert response.status_code == 403
        assert "belong to this team" in response.text
    assert ("subscription.activated", "Sam Hale", "Solo") not in rows.audit_events(app)


@pytest.mark.parametrize("seen", ["", "x", "-1", "9" * 5000, "1.5", "²"])
def test_bad_version_is_ignored(cast, sam, seen):
    path = f"/support/teams/{cast.acme.id}/subscription"
    response = sam.send(path, active="false", reason="Unpaid", seen=seen)
    assert response.status_code in (303, 409, 422)


def test_team_view_is_recorded_and_not_shown_to_the_team(app, cast, sam, api):
    sam.page(f"/support/teams/{cast.acme.id}")
    assert rows.audit_events(app)[-1] == ("support.team_viewed", "Sam Hale", "Acme")
    assert "team_viewed" not in api(cast.ada.session()).get("/activity").text


def test_team_page_shows_no_secrets(cast, sam):
    key = cast.ada.key("Ada's secret project")
    cast.ada.revoke(cast.ada.key("revoked project"))
    response = sam.get(f"/support/teams/{cast.acme.id}")
    assert key.secret not in response.text
    assert "revoked project" not in response.text
    assert "Ada Park" in response.text


@pytest.mark.parametrize(
    "path", ["/support/teams/team_missing", "/support/teams/x/subscription", "/support/x"]
)
def test_missing_team_is_404(sam, path):
    assert sam.get(path).status_code == 404


def test_statements_of_the_console_do_not_grow_with_its_rows(app, cast, sam):
    def count(path: str) -> int:
        sam.page(path)
        with rows.collect_statements(app) as statements:
            sam.page(path)
        return statements.count

    team = f"/support/teams/{cast.acme.id}"
    before = [count("/support"), count(team)]
    for number in range(6):
        member = factories.person(app)
        cast.acme.add(member, Rights.VIEW)
        member.key()
        factories.team(app, f"Team {number}", member)
    assert [count("/support"), count(team)] == before

"""Changing rights, removing, leaving, renaming: permissions, immediate effect, and one Admin remains."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.html import parse
from tests.teams.team_actions import (
    DIALOG,
    PANEL,
    ROW_SWAP,
    change_rights,
    departure_path,
    invite,
    leave,
    removal_path,
    remove,
    rights_of,
    rights_path,
    tab_path,
)

pytestmark = pytest.mark.postgresql_later

NEEDS_AN_ADMIN = "A team needs at least one admin."


def test_admin_changes_rights_and_a_note_confirms_it(app, cast, ada):
    response = change_rights(ada, cast.acme, cast.ben, "admin")
    assert response.status_code == 303
    assert "Ben Cole has Admin rights." in ada.page(response.headers["Location"]).text
    assert rights_of(cast.ben, cast.acme) == "admin"
    assert rows.audit_events(app)[-1] == ("member.rights_changed", "Ada Park", "Ben Cole (Edit → Admin)")


def test_htmx_request_returns_the_list_with_the_note(cast, ada):
    response = change_rights(ada, cast.acme, cast.vic, "edit", headers=ROW_SWAP)
    assert response.status_code == 200
    panel = parse(response.text).with_id("teams-members")
    assert "Vic Moss has Edit rights." in panel.text
    assert panel["data-announce"] == "Vic Moss has Edit rights."


def test_saving_the_same_rights_changes_nothing(app, cast, ada):
    before = rows.audit_events(app)
    assert change_rights(ada, cast.acme, cast.ben, "edit").status_code == 303
    assert rows.audit_events(app) == before


def test_new_rights_apply_to_the_next_request(app, cast, ada):
    ben = cast.ben.sign_in(app.test_client())
    assert ben.send(rights_path(cast.acme, cast.vic), rights="edit").status_code == 403
    change_rights(ada, cast.acme, cast.ben, "admin")
    assert ben.send(rights_path(cast.acme, cast.vic), rights="edit").status_code == 303
    change_rights(ada, cast.acme, cast.ben, "view")
    assert ben.send(rights_path(cast.acme, cast.vic), rights="view").status_code == 403
    assert rights_of(cast.vic, cast.acme) == "edit"


@pytest.mark.parametrize("user", ["ben", "vic"])
@pytest.mark.parametrize("headers", [None, ROW_SWAP, PANEL])
def test_members_below_admin_get_403_with_the_reason(app, cast, client, user, headers):
    getattr(cast, user).sign_in(client)
    before = rows.audit_events(app)
    acme = f"/account/teams/{cast.acme.id}"
    for path, fields in (
        (rights_path(cast.acme, cast.ada), {"rights": "view"}),
        (rights_path(cast.acme, getattr(cast, user)), {"rights": "admin"}),
        (removal_path(cast.acme, cast.ada), {}),
        (f"{acme}/invitations", {"emails": "eve@initech.example", "rights": "admin"}),
        (f"{acme}/invitations/inv_x/sending", {}),
        (f"{acme}/invitations/inv_x/cancellation", {}),
        (f"{acme}/name", {"name": "Mine"}),
        (f"{acme}/name", {"name": ""}),
    ):
        response = client.send(path, headers=headers, **fields)
        assert response.status_code == 403, path
        assert "This needs Admin rights to Acme." in response.text
    for path in (removal_path(cast.acme, cast.ada), f"{acme}/invitations/new", f"{acme}/name"):
        assert client.get(path, headers=headers).status_code == 403
    assert rows.audit_events(app) == before


def test_outsider_changes_nothing(app, cast, client):
    cast.charlie.sign_in(client)
    before = rows.audit_events(app)
    acme = f"/account/teams/{cast.acme.id}"
    for path in (
        rights_path(cast.acme, cast.ben),
        removal_path(cast.acme, cast.ben),
        departure_path(cast.acme),
        f"{acme}/invitations",
        f"{acme}/invitations/inv_x/sending",
        f"{acme}/invitations/inv_x/cancellation",
        f"{acme}/name",
    ):
        response = client.send(path, rights="view", emails="eve@initech.example", name="Mine")
        assert response.status_code == 404, path
    assert rows.audit_events(app) == before


@pytest.mark.parametrize("rights", ["", "owner", "ADMIN", "viewer"])
def test_invalid_rights_are_refused(cast, ada, rights):
    response = ada.send(rights_path(cast.acme, cast.ben), rights=rights)
    assert response.status_code == 422
    assert "Choose View, Edit or Admin" in response.text
    assert rights_of(cast.ben, cast.acme) == "edit"


def test_members_of_other_teams_and_service_accounts_are_404(cast, ada):
    for person in (cast.charlie, cast.ci):
        assert ada.send(rights_path(cast.acme, person), rights="view").status_code == 404
        assert ada.send(removal_path(cast.acme, person)).status_code == 404
        assert ada.get(removal_path(cast.acme, person)).status_code == 404
    assert rights_of(cast.ci, cast.acme) == "edit"


@pytest.mark.parametrize("headers", [None, ROW_SWAP])
def test_last_admin_cannot_be_demoted(cast, ada, headers):
    response = change_rights(ada, cast.acme, cast.ada, "view", headers=headers)
    assert response.status_code == 409
    assert NEEDS_AN_ADMIN in response.text
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_disabled_admin_does_not_count(cast, ada):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.ben.change(disabled_at=now())
    assert change_rights(ada, cast.acme, cast.ada, "view").status_code == 409
    assert leave(ada, cast.acme).status_code == 409
    assert change_rights(ada, cast.acme, cast.ben, "view").status_code == 303


@pytest.mark.parametrize("headers", [None, ROW_SWAP | {"HX-Current-URL": "http://localhost/account/team"}])
def test_admin_can_demote_oneself_while_another_admin_remains(cast, ada, headers):
    cast.acme.give(cast.ben, Rights.ADMIN)
    response = change_rights(ada, cast.acme, cast.ada, "view", headers=headers)
    assert response.headers["HX-Refresh"] == "true" if headers else response.status_code == 303
    page = ada.page("/account/team")
    assert "Your rights: View." in page.text
    assert "Ada Park has View rights." in page.text


def test_removal_is_confirmed_and_ends_access_at_once(app, cast, ada, api):
    key, ben = cast.ben.key(), cast.ben.sign_in(app.test_client())
    page = ada.page(removal_path(cast.acme, cast.ben))
    assert "Remove Ben Cole?" in page.text
    assert "stay theirs, and stop opening this team at once" in page.text
    response = ada.submit(page, removal_path(cast.acme, cast.ben))
    assert response.status_code == 303
    assert "Ben Cole was removed from Acme." in ada.page(response.headers["Location"]).text
    assert ben.get(tab_path(cast.acme)).status_code == 404
    assert f"Revoke {key.name}" in ben.page("/account/api-keys").text
    assert api(key.secret).get("/me").status_code == 403
    assert api(cast.ben.session()).get("/me").json["teams"] == []
    assert rows.audit_events(app)[-2] == ("member.removed", "Ada Park", "Ben Cole (Edit)")


def test_removal_in_a_dialog_replaces_the_list(cast, ada):
    path = removal_path(cast.acme, cast.ben)
    dialog = ada.page(path, headers=DIALOG)
    assert dialog.with_id("dialog")["role"] == "alertdialog"
    response = ada.submit(dialog, path, headers=PANEL)
    assert response.status_code == 200
    assert "close-dialog" in response.headers["HX-Trigger"]
    assert parse(response.text).with_id("teams-members")["hx-swap-oob"] == "true"
    assert ada.submit(dialog, path, headers=PANEL).status_code == 404


def test_removed_member_cannot_return_by_an_older_invitation(app, cast, ada, mailbox):
    invite(ada, cast.acme, cast.charlie.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    cast.acme.add(cast.charlie, Rights.VIEW)
    remove(ada, cast.acme, cast.charlie)
    assert cast.charlie.sign_in(app.test_client()).send(link).status_code == 410
    assert rights_of(cast.charlie, cast.acme) is None


def test_member_leaves(app, cast, client):
    cast.ben.sign_in(client)
    page = client.page(departure_path(cast.acme))
    assert "Leave Acme?" in page.text
    response = client.submit(page, departure_path(cast.acme))
    assert (response.status_code, response.headers["Location"]) == (303, "/account/team")
    page = client.page("/account/team")
    assert "You left Acme." in page.text
    assert "You are not in a team" in page.text
    for path in ("/account/api-keys", "/account/api-keys/new"):
        response = client.get(path).text
        assert "Ask an Admin of your team to invite" in response
        assert "subscription is inactive" not in response
    assert rows.audit_events(app)[-1] == ("member.left", "Ben Cole", "Ben Cole (Edit)")
    assert leave(client, cast.acme).status_code == 404


def test_last_admin_cannot_leave(cast, ada):
    page = ada.page(departure_path(cast.acme))
    assert NEEDS_AN_ADMIN in page.text
    assert "Leave team" not in {button.text for button in page.all("button")}
    response = leave(ada, cast.acme)
    assert response.status_code == 409
    assert NEEDS_AN_ADMIN in response.text
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_removal_of_oneself_redirects_to_leaving(cast, ada):
    path = removal_path(cast.acme, cast.ada)
    assert ada.get(path).headers["Location"] == departure_path(cast.acme)
    assert ada.send(path).headers["Location"] == departure_path(cast.acme)
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_admin_renames_the_team(app, cast, ada):
    path = f"/account/teams/{cast.acme.id}/name"
    response = ada.submit(ada.page(path), path, name="  Acme   Labs ")
    page = ada.page(response.headers["Location"])
    assert "The team is called Acme Labs now." in page.text
    assert "Acme Labs Subscription active" in page.text
    assert rows.audit_events(app)[-1] == ("team.renamed", "Ada Park", "Acme → Acme Labs")


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\nb", "\u200b"])
def test_team_needs_a_name(app, cast, ada, name):
    path = f"/account/teams/{cast.acme.id}/name"
    assert ada.submit(ada.page(path), path, name=name).status_code == 422
    with app.app_context():
        assert cast.acme.row().name == "Acme"


@pytest.mark.parametrize("action", [change_rights, remove])
def test_sensitive_action_requires_a_proof_and_continues(cast, ada, action):
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    arguments = ("view",) if action is change_rights else ()
    response = action(ada, cast.acme, cast.ben, *arguments)
    assert response.status_code == 403
    assert "Confirm that it is you" in response.text
    assert rights_of(cast.ben, cast.acme) == "edit"
    path = rights_path(cast.acme, cast.ben) if action is change_rights else removal_path(cast.acme, cast.ben)
    assert ada.submit(parse(response.text), path, proof_password=cast.ada.password).status_code == 303
    assert rights_of(cast.ben, cast.acme) == ("view" if action is change_rights else None)


def test_audit_log_records_actor_target_and_old_and_new_rights(app, cast, ada):
    change_rights(ada, cast.acme, cast.ben, "view")
    with app.app_context():
        event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
        assert (event.actor_id, event.account_id) == (cast.ada.number, cast.ben.number)
        assert event.details == {
            "team": cast.acme.id,
            "whom": cast.ben.id,
            "old": "edit",
            "new": "view",
        }


def test_admin_of_another_team_has_no_admin_rights_here(app, cast):
    dora = factories.person(app, "Dora Hill")
    factories.team(app, "Initech", dora)
    cast.acme.add(dora, Rights.EDIT)
    browser = dora.sign_in(app.test_client())
    assert browser.send(rights_path(cast.acme, cast.ben), rights="view").status_code == 403

"""Change rights, remove, leave, rename: who may, what holds at once, and that an Admin always remains."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from reflow_accounts.audit.models import AuditEvent
from reflow_accounts.database import db, now
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.html import parse
from tests.teams.acts import (
    DIALOG,
    PANEL,
    ROW,
    departure_path,
    give,
    invite,
    leave,
    removal_path,
    remove,
    rights_of,
    rights_path,
    tab,
)

pytestmark = pytest.mark.postgresql_later

NEEDED = "A team needs at least one admin."


def test_admin_changes_rights_and_the_note_says_so(app, cast, ada):
    answer = give(ada, cast.acme, cast.ben, "admin")
    assert answer.status_code == 303
    assert "Ben Cole has Admin rights." in ada.page(answer.headers["Location"]).text
    assert rights_of(cast.ben, cast.acme) == "admin"
    assert rows.acts(app)[-1] == ("member.rights_changed", "Ada Park", "Ben Cole (Edit → Admin)")


def test_behind_htmx_the_part_comes_back_with_the_note(cast, ada):
    answer = give(ada, cast.acme, cast.vic, "edit", headers=ROW)
    assert answer.status_code == 200
    panel = parse(answer.text).with_id("teams-members")
    assert "Vic Moss has Edit rights." in panel.text
    assert panel["data-announce"] == "Vic Moss has Edit rights."


def test_same_rights_again_change_nothing(app, cast, ada):
    before = rows.acts(app)
    assert give(ada, cast.acme, cast.ben, "edit").status_code == 303
    assert rows.acts(app) == before


def test_new_rights_hold_on_the_next_request(app, cast, ada):
    ben = cast.ben.sign_in(app.test_client())
    assert ben.send(rights_path(cast.acme, cast.vic), rights="edit").status_code == 403
    give(ada, cast.acme, cast.ben, "admin")
    assert ben.send(rights_path(cast.acme, cast.vic), rights="edit").status_code == 303
    give(ada, cast.acme, cast.ben, "view")
    assert ben.send(rights_path(cast.acme, cast.vic), rights="view").status_code == 403
    assert rights_of(cast.vic, cast.acme) == "edit"


@pytest.mark.parametrize("who", ["ben", "vic"])
@pytest.mark.parametrize("headers", [None, ROW, PANEL])
def test_below_admin_every_act_is_refused_in_words(app, cast, client, who, headers):
    getattr(cast, who).sign_in(client)
    before = rows.acts(app)
    acme = f"/account/teams/{cast.acme.id}"
    for path, fields in (
        (rights_path(cast.acme, cast.ada), {"rights": "view"}),
        (rights_path(cast.acme, getattr(cast, who)), {"rights": "admin"}),
        (removal_path(cast.acme, cast.ada), {}),
        (f"{acme}/invitations", {"emails": "eve@initech.example", "rights": "admin"}),
        (f"{acme}/invitations/inv_x/sending", {}),
        (f"{acme}/invitations/inv_x/cancellation", {}),
        (f"{acme}/name", {"name": "Mine"}),
        (f"{acme}/name", {"name": ""}),
    ):
        answer = client.send(path, headers=headers, **fields)
        assert answer.status_code == 403, path
        assert "This needs Admin rights to Acme." in answer.text
    for path in (removal_path(cast.acme, cast.ada), f"{acme}/invitations/new", f"{acme}/name"):
        assert client.get(path, headers=headers).status_code == 403
    assert rows.acts(app) == before


def test_outsider_changes_nothing(app, cast, client):
    cast.charlie.sign_in(client)
    before = rows.acts(app)
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
        answer = client.send(path, rights="view", emails="eve@initech.example", name="Mine")
        assert answer.status_code == 404, path
    assert rows.acts(app) == before


@pytest.mark.parametrize("rights", ["", "owner", "ADMIN", "viewer"])
def test_rights_that_are_none_are_refused(cast, ada, rights):
    answer = ada.send(rights_path(cast.acme, cast.ben), rights=rights)
    assert answer.status_code == 422
    assert "Choose View, Edit or Admin" in answer.text
    assert rights_of(cast.ben, cast.acme) == "edit"


def test_members_of_other_teams_and_service_accounts_are_not_found(cast, ada):
    for person in (cast.charlie, cast.ci):
        assert ada.send(rights_path(cast.acme, person), rights="view").status_code == 404
        assert ada.send(removal_path(cast.acme, person)).status_code == 404
        assert ada.get(removal_path(cast.acme, person)).status_code == 404
    assert rights_of(cast.ci, cast.acme) == "edit"


@pytest.mark.parametrize("headers", [None, ROW])
def test_last_admin_is_not_lowered(cast, ada, headers):
    answer = give(ada, cast.acme, cast.ada, "view", headers=headers)
    assert answer.status_code == 409
    assert NEEDED in answer.text
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_admin_who_is_disabled_does_not_count(cast, ada):
    cast.acme.give(cast.ben, Rights.ADMIN)
    cast.ben.change(disabled_at=now())
    assert give(ada, cast.acme, cast.ada, "view").status_code == 409
    assert leave(ada, cast.acme).status_code == 409
    assert give(ada, cast.acme, cast.ben, "view").status_code == 303


@pytest.mark.parametrize("headers", [None, ROW | {"HX-Current-URL": "http://localhost/account/team"}])
def test_admin_lowers_oneself_while_another_stays(cast, ada, headers):
    cast.acme.give(cast.ben, Rights.ADMIN)
    answer = give(ada, cast.acme, cast.ada, "view", headers=headers)
    assert answer.headers["HX-Refresh"] == "true" if headers else answer.status_code == 303
    page = ada.page("/account/team")
    assert "Your rights: View." in page.text
    assert "Ada Park has View rights." in page.text


def test_removing_asks_with_the_facts_and_then_ends_access_at_once(app, cast, ada, api):
    key, ben = cast.ben.key(), cast.ben.sign_in(app.test_client())
    page = ada.page(removal_path(cast.acme, cast.ben))
    assert "Remove Ben Cole?" in page.text
    assert "stay theirs, and stop opening this team at once" in page.text
    answer = ada.submit(page, removal_path(cast.acme, cast.ben))
    assert answer.status_code == 303
    assert "Ben Cole was removed from Acme." in ada.page(answer.headers["Location"]).text
    assert ben.get(tab(cast.acme)).status_code == 404
    assert f"Revoke {key.name}" in ben.page("/account/api-keys").text
    assert api(key.secret).get("/me").status_code == 403
    assert api(cast.ben.session()).get("/me").json["teams"] == []
    assert rows.acts(app)[-2] == ("member.removed", "Ada Park", "Ben Cole (Edit)")


def test_in_a_dialog_the_part_is_replaced_behind_it(cast, ada):
    path = removal_path(cast.acme, cast.ben)
    dialog = ada.page(path, headers=DIALOG)
    assert dialog.with_id("dialog")["role"] == "alertdialog"
    answer = ada.submit(dialog, path, headers=PANEL)
    assert answer.status_code == 200
    assert "close-dialog" in answer.headers["HX-Trigger"]
    assert parse(answer.text).with_id("teams-members")["hx-swap-oob"] == "true"
    assert ada.submit(dialog, path, headers=PANEL).status_code == 404


def test_who_was_removed_does_not_come_back_by_an_older_invitation(app, cast, ada, mailbox):
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
    answer = client.submit(page, departure_path(cast.acme))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/team")
    page = client.page("/account/team")
    assert "You left Acme." in page.text
    assert "You are not in a team" in page.text
    for path in ("/account/api-keys", "/account/api-keys/new"):
        answer = client.get(path).text
        assert "Ask an Admin of your team to invite" in answer
        assert "subscription is inactive" not in answer
    assert rows.acts(app)[-1] == ("member.left", "Ben Cole", "Ben Cole (Edit)")
    assert leave(client, cast.acme).status_code == 404


def test_last_admin_does_not_leave(cast, ada):
    page = ada.page(departure_path(cast.acme))
    assert NEEDED in page.text
    assert "Leave team" not in {button.text for button in page.all("button")}
    answer = leave(ada, cast.acme)
    assert answer.status_code == 409
    assert NEEDED in answer.text
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_removing_oneself_is_asked_for_as_leaving(cast, ada):
    path = removal_path(cast.acme, cast.ada)
    assert ada.get(path).headers["Location"] == departure_path(cast.acme)
    assert ada.send(path).headers["Location"] == departure_path(cast.acme)
    assert rights_of(cast.ada, cast.acme) == "admin"


def test_admin_renames_the_team(app, cast, ada):
    path = f"/account/teams/{cast.acme.id}/name"
    answer = ada.submit(ada.page(path), path, name="  Acme   Labs ")
    page = ada.page(answer.headers["Location"])
    assert "The team is called Acme Labs now." in page.text
    assert "Acme Labs Subscription active" in page.text
    assert rows.acts(app)[-1] == ("team.renamed", "Ada Park", "Acme → Acme Labs")


@pytest.mark.parametrize("name", ["", " ", "x" * 121, "a\nb", "\u200b"])
def test_team_needs_a_name(app, cast, ada, name):
    path = f"/account/teams/{cast.acme.id}/name"
    assert ada.submit(ada.page(path), path, name=name).status_code == 422
    with app.app_context():
        assert cast.acme.row().name == "Acme"


@pytest.mark.parametrize("act", [give, remove])
def test_grave_act_asks_for_a_proof_and_then_goes_on(cast, ada, act):
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    more = ("view",) if act is give else ()
    answer = act(ada, cast.acme, cast.ben, *more)
    assert answer.status_code == 403
    assert "Confirm that it is you" in answer.text
    assert rights_of(cast.ben, cast.acme) == "edit"
    path = rights_path(cast.acme, cast.ben) if act is give else removal_path(cast.acme, cast.ben)
    assert ada.submit(parse(answer.text), path, proof_password=cast.ada.password).status_code == 303
    assert rights_of(cast.ben, cast.acme) == ("view" if act is give else None)


def test_record_says_who_whom_from_and_to(app, cast, ada):
    give(ada, cast.acme, cast.ben, "view")
    with app.app_context():
        act = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc()).limit(1)).one()
        assert (act.actor_id, act.account_id) == (cast.ada.number, cast.ben.number)
        assert act.details == {
            "team": cast.acme.id,
            "whom": cast.ben.id,
            "old": "edit",
            "new": "view",
        }


def test_another_teams_admin_is_no_admin_here(app, cast):
    dora = factories.person(app, "Dora Hill")
    factories.team(app, "Initech", dora)
    cast.acme.add(dora, Rights.EDIT)
    browser = dora.sign_in(app.test_client())
    assert browser.send(rights_path(cast.acme, cast.ben), rights="view").status_code == 403

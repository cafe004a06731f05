"""Invitations by mail: several addresses, expiry, resending, cancelling; same response for any address."""

from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import db, now
from reflow_accounts.teams.invitations import prune_invitations
from reflow_accounts.teams.models import Invitation, Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.html import parse
from tests.helpers.mailbox import html_of, text_of
from tests.teams.team_actions import DIALOG, PANEL, ROW_SWAP, invitations_to, invite

pytestmark = pytest.mark.postgresql_later


def path_of(group, invitation, action):
    return f"/account/teams/{group.id}/invitations/{invitation.public_id}/{action}"


def test_admin_invites_several_people_at_once(app, cast, ada, mailbox):
    response = invite(ada, cast.acme, "eve@initech.example", "", "  MAX@Initech.example  ", rights="edit")
    assert response.status_code == 303
    page = ada.page(response.headers["Location"])
    assert "2 invitations sent." in page.text
    messages = mailbox.deliver()
    assert {message["To"] for message in messages} == {"eve@initech.example", "max@initech.example"}
    for message in messages:
        assert message["Subject"] == "Ada Park invites you to the team Acme on Reflow"
        assert "with Edit rights" in text_of(message)
        assert "<bdi>Ada Park</bdi>" in html_of(message)
        assert mailbox.link_in(message).startswith("/invitations/")
    events = [action for action in rows.audit_events(app) if action[0] == "member.invited"]
    assert ("member.invited", "Ada Park", "max@initech.example (Edit)") in events
    assert len(events) == 2


def test_address_given_twice_gets_one_mail(cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example", "Eve@initech.example")
    assert len(mailbox.deliver()) == 1


def test_response_does_not_reveal_whether_an_account_exists(cast, ada, mailbox):
    responses = []
    for email in ("charlie@globex.example", "nobody@globex.example", "sam@support.example"):
        response = invite(ada, cast.acme, email)
        text = ada.get(response.headers["Location"]).text
        responses.append(
            (response.status_code, response.headers["Location"], f"Invitation sent to {email}." in text)
        )
    assert len(set(responses)) == 1
    assert len({len(text_of(message)) for message in mailbox.deliver()}) == 1


def test_invalid_line_prevents_all_invitations(app, cast, ada, mailbox):
    response = invite(ada, cast.acme, "eve@initech.example", "not an address", cast.ben.email, "x@y")
    assert response.status_code == 422
    assert "Line 2, “not an address”: Enter an email address like name@example.com" in response.text
    assert "Line 4, “x@y”" in response.text
    assert "<title>Error: Invite people" in response.text
    assert parse(response.text).with_id("emails").text.startswith("eve@initech.example not an address")
    assert (invitations_to(cast.acme), mailbox.deliver()) == ([], [])


def test_members_and_invited_people_are_named_by_line(cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example")
    response = invite(ada, cast.acme, "max@initech.example", cast.ben.email, "eve@initech.example")
    assert "Line 2: ben@acme.example is a member already" in response.text
    assert "Line 3: eve@initech.example is invited already; resend that invitation instead" in response.text
    assert len(invitations_to(cast.acme)) == 1
    assert len(mailbox.deliver()) == 1


def test_other_rights_for_an_invited_address_are_refused(cast, ada):
    invite(ada, cast.acme, "eve@initech.example", rights="view")
    response = invite(ada, cast.acme, "eve@initech.example", rights="edit")
    sentence = "is invited already with View rights; to change them, cancel that invitation and invite again"
    assert f"eve@initech.example {sentence}" in response.text


@pytest.mark.parametrize(
    ("emails", "sentence"),
    [
        ("", "Enter at least one email address"),
        (" \n\n ", "Enter at least one email address"),
        (
            "\n".join(f"guest{number}@initech.example" for number in range(51)),
            "Invite at most 50 people at once",
        ),
        ("a@b.example, c@d.example", "Enter an email address"),
        ("eve@initech.example\u2028max@initech.example\x07", "cannot be the name of a domain"),
        ("x" * 300 + "@initech.example", "The part before the @ is too long"),
    ],
)
def test_invalid_addresses_are_explained(cast, ada, mailbox, emails, sentence):
    response = invite(ada, cast.acme, emails)
    assert response.status_code == 422
    assert sentence in response.text
    assert mailbox.deliver() == []


def test_rights_must_be_view_edit_or_admin(cast, ada):
    response = ada.send(
        f"/account/teams/{cast.acme.id}/invitations", emails="eve@initech.example", rights="owner"
    )
    assert response.status_code == 422
    assert "Choose View, Edit or Admin" in response.text


def test_dialog_keeps_errors_and_replaces_the_list_on_success(cast, ada):
    new, path = f"/account/teams/{cast.acme.id}/invitations/new", f"/account/teams/{cast.acme.id}/invitations"
    dialog = ada.page(new, headers=DIALOG)
    refused = ada.submit(dialog, path, emails="x", headers=PANEL)
    assert refused.status_code == 422
    accepted = ada.submit(dialog, path, emails="eve@initech.example", headers=PANEL)
    assert "close-dialog" in accepted.headers["HX-Trigger"]
    assert "Resend invitation to eve@initech.example" in accepted.text


def test_resending_invalidates_the_previous_link(app, cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example")
    old = mailbox.link_in(mailbox.deliver()[0])
    [invitation] = invitations_to(cast.acme)
    path = path_of(cast.acme, invitation, "sending")
    with time_machine.travel(now() + timedelta(days=6)):
        ada = cast.ada.sign_in(app.test_client())
        response = ada.submit(ada.page("/account/team"), path)
        assert "Invitation sent to eve@initech.example again." in ada.page(response.headers["Location"]).text
        new = mailbox.link_in(mailbox.deliver()[0])
        eve = app.test_client()
        assert eve.get(old).status_code == 410
        assert "only the link in the newest mail works" in eve.get(old).text
    with time_machine.travel(now() + timedelta(days=12)):
        assert app.test_client().get(new).status_code == 200
    assert ("invitation.sent_again", "Ada Park", "eve@initech.example (View)") in rows.audit_events(app)


def test_htmx_action_on_a_row_returns_the_member_list(cast, ada):
    invite(ada, cast.acme, "eve@initech.example")
    [invitation] = invitations_to(cast.acme)
    page = ada.page("/account/team")
    for action, text in (("sending", "sent to eve@initech.example again"), ("cancellation", "cancelled")):
        response = ada.submit(page, path_of(cast.acme, invitation, action), headers=ROW_SWAP)
        assert response.status_code == 200
        assert text in parse(response.text).with_id("teams-members")["data-announce"]


def test_cancelled_link_is_invalid_and_cancelling_is_idempotent(app, cast, ada, link):
    [invitation] = invitations_to(cast.acme)
    page = ada.page("/account/team")
    path = path_of(cast.acme, invitation, "cancellation")
    assert [ada.submit(page, path).status_code for _ in range(2)] == [303, 303]
    response = app.test_client().get(link)
    assert response.status_code == 410
    assert "This invitation was cancelled" in response.text
    assert [action for action, *_ in rows.audit_events(app)].count("invitation.cancelled") == 1
    refused = ada.submit(page, path_of(cast.acme, invitation, "sending"))
    assert refused.status_code == 410
    assert "was cancelled meanwhile" in refused.text


def test_expired_invitation_can_be_replaced(app, cast, ada, mailbox, link):
    with time_machine.travel(now() + timedelta(days=7, minutes=1)):
        response = app.test_client().get(link)
        assert response.status_code == 410
        assert "This invitation has expired" in response.text
        ada = cast.ada.sign_in(app.test_client())
        assert "the link has expired" in ada.page("/account/team").text
        assert invite(ada, cast.acme, "eve@initech.example", rights="admin").status_code == 303
        [message] = mailbox.deliver()
        assert app.test_client().get(mailbox.link_in(message)).status_code == 200
    [invitation] = invitations_to(cast.acme)
    assert invitation.rights == "admin"


def test_invitation_of_another_team_is_404(cast, app, ada):
    charlie = cast.charlie.sign_in(app.test_client())
    invite(charlie, cast.globex, "eve@initech.example")
    [invitation] = invitations_to(cast.globex)
    for action in ("sending", "cancellation"):
        assert ada.send(path_of(cast.acme, invitation, action)).status_code == 404
        assert ada.send(path_of(cast.globex, invitation, action)).status_code == 404


def test_inviting_requires_a_proof_and_keeps_every_line(cast, ada, mailbox):
    page = ada.page(f"/account/teams/{cast.acme.id}/invitations/new")
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    path = f"/account/teams/{cast.acme.id}/invitations"
    response = ada.submit(page, path, emails="eve@initech.example\nmax@initech.example", rights="edit")
    assert "Confirm that it is you" in response.text
    response = ada.submit(parse(response.text), path, proof_password=cast.ada.password)
    assert response.status_code == 303
    assert len(mailbox.deliver()) == 2


def test_repeated_sending_to_one_address_is_limited(app, cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example")
    [invitation] = invitations_to(cast.acme)
    path = path_of(cast.acme, invitation, "sending")
    responses = [ada.send(path) for _ in range(5)]
    assert [response.status_code for response in responses] == [303, 303, 303, 303, 429]
    assert int(responses[-1].headers["Retry-After"]) > 0
    assert len(mailbox.deliver()) == 5
    assert invite(ada, cast.acme, "max@initech.example").status_code == 303


def test_hundred_invitations_an_hour_are_the_limit_of_a_person(cast, ada):
    for batch in range(2):
        guests = [f"guest{number}@batch{batch}.example" for number in range(50)]
        assert invite(ada, cast.acme, *guests).status_code == 303
    assert invite(ada, cast.acme, "eve@initech.example").status_code == 429


def test_address_of_a_deleted_user_is_removed_from_invitations(app, cast, mailbox):
    dora = factories.person(app, "Dora Hill", "dora@initech.example")
    ada = cast.ada.sign_in(app.test_client())
    invite(ada, cast.acme, dora.email)
    assert dora.email in ada.get("/account/team").text
    browser = dora.sign_in(app.test_client())
    browser.send("/account/profile/deletion", password=dora.password)
    assert [invitation.email for invitation in invitations_to(cast.acme)] == [""]
    assert "dora@initech.example" not in ada.get("/account/team").text


def test_invitations_are_paginated(app, cast, ada):
    for batch in range(2):
        invite(ada, cast.acme, *[f"guest{number}@batch{batch}.example" for number in range(30)])
    [link] = [link for link in ada.page("/account/team").all("a") if link.text == "More invitations"]
    assert ada.get(link["href"]).text.count("Resend invitation to") == 10


@pytest.fixture
def former_admin(app, cast):
    """Ben, who was an Admin and invited Eve."""
    cast.acme.give(cast.ben, Rights.ADMIN)
    browser = cast.ben.sign_in(app.test_client())
    assert invite(browser, cast.acme, "eve@initech.example", rights="admin").status_code == 303
    return cast.ben


def invited_emails(ada, team):
    return [item["email"] for item in ada.get(f"/teams/{team.id}/invitations").json["items"]]


@pytest.mark.parametrize("reason", ["demoted", "removed", "left", "deleted"])
def test_invitations_of_a_former_admin_are_cancelled(app, cast, api, client, mailbox, former_admin, reason):
    [message] = mailbox.deliver()
    ada = api(cast.ada.session())
    member = f"/teams/{cast.acme.id}/members/{former_admin.id}"
    if reason == "demoted":
        assert ada.send("PATCH", member, {"rights": "edit"}).status_code == 200
    elif reason == "removed":
        assert ada.send("DELETE", member).status_code == 204
    elif reason == "left":
        assert api(former_admin.session()).send("DELETE", member).status_code == 204
    else:
        browser = former_admin.sign_in(app.test_client())
        browser.send("/account/profile/deletion", password=former_admin.password)
    assert invited_emails(ada, cast.acme) == []
    page = client.page(mailbox.link_in(message), 410)
    assert "This invitation was cancelled" in page.text
    assert "ask an Admin of the team" in page.text
    assert ("invitation.cancelled", "eve@initech.example (Admin)") in [
        (action[0], action[2]) for action in rows.audit_events(app)
    ]


def test_invitation_resent_by_another_admin_is_kept(cast, api, former_admin):
    ada = api(cast.ada.session())
    [invitation] = ada.get(f"/teams/{cast.acme.id}/invitations").json["items"]
    assert ada.post(f"/teams/{cast.acme.id}/invitations/{invitation['id']}/sending").status_code in (200, 204)
    ada.send("DELETE", f"/teams/{cast.acme.id}/members/{former_admin.id}")
    assert invited_emails(ada, cast.acme) == ["eve@initech.example"]


def test_removal_dialog_names_the_cancelled_invitations(cast, ada, former_admin):
    page = ada.page(f"/account/teams/{cast.acme.id}/members/{former_admin.id}/removal")
    assert "1 invitation that Ben Cole sent is cancelled: eve@initech.example." in page.text


def test_invitation_is_deleted_ninety_days_after_its_end(app, cast, ada):
    for name in ("waiting", "cancelled"):
        invite(ada, cast.acme, f"{name}@initech.example")
    page = ada.page("/account/team")
    [cancelled] = [row for row in invitations_to(cast.acme) if row.email.startswith("cancelled")]
    ada.submit(page, path_of(cast.acme, cancelled, "cancellation"))
    events = rows.audit_events(app)
    for days, expected in ((89, 2), (91, 1), (96, 1), (98, 0)):
        with time_machine.travel(now() + timedelta(days=days)), app.app_context():
            prune_invitations()
            db.session.commit()
        assert rows.count(app, Invitation) == expected
    assert rows.audit_events(app) == events

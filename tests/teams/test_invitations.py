"""Invite by mail: several addresses or none, seven days, again, cancelled; the same for every address."""

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
from tests.teams.acts import DIALOG, PANEL, ROW, invitations_to, invite

pytestmark = pytest.mark.postgresql_later


def path_of(group, invitation, act):
    return f"/account/teams/{group.id}/invitations/{invitation.public_id}/{act}"


def test_admin_invites_several_people_at_once(app, cast, ada, mailbox):
    answer = invite(ada, cast.acme, "eve@initech.example", "", "  MAX@Initech.example  ", rights="edit")
    assert answer.status_code == 303
    page = ada.page(answer.headers["Location"])
    assert "2 invitations sent." in page.text
    messages = mailbox.deliver()
    assert {message["To"] for message in messages} == {"eve@initech.example", "max@initech.example"}
    for message in messages:
        assert message["Subject"] == "Ada Park invites you to the team Acme on Reflow"
        assert "with Edit rights" in text_of(message)
        assert "<bdi>Ada Park</bdi>" in html_of(message)
        assert mailbox.link_in(message).startswith("/invitations/")
    acts = [act for act in rows.acts(app) if act[0] == "member.invited"]
    assert ("member.invited", "Ada Park", "max@initech.example (Edit)") in acts
    assert len(acts) == 2


def test_address_that_comes_twice_gets_one_mail(cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example", "Eve@initech.example")
    assert len(mailbox.deliver()) == 1


def test_with_an_account_and_without_one_the_answer_is_the_same(cast, ada, mailbox):
    answers = []
    for email in ("charlie@globex.example", "nobody@globex.example", "sam@support.example"):
        answer = invite(ada, cast.acme, email)
        text = ada.get(answer.headers["Location"]).text
        answers.append(
            (answer.status_code, answer.headers["Location"], f"Invitation sent to {email}." in text)
        )
    assert len(set(answers)) == 1
    assert len({len(text_of(message)) for message in mailbox.deliver()}) == 1


def test_one_bad_line_and_nobody_is_invited(app, cast, ada, mailbox):
    answer = invite(ada, cast.acme, "eve@initech.example", "not an address", cast.ben.email, "x@y")
    assert answer.status_code == 422
    assert "Line 2, “not an address”: Enter an email address like name@example.com" in answer.text
    assert "Line 4, “x@y”" in answer.text
    assert "<title>Error: Invite people" in answer.text
    assert parse(answer.text).with_id("emails").text.startswith("eve@initech.example not an address")
    assert (invitations_to(cast.acme), mailbox.deliver()) == ([], [])


def test_members_and_invited_people_are_named_line_by_line(cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example")
    answer = invite(ada, cast.acme, "max@initech.example", cast.ben.email, "eve@initech.example")
    assert "Line 2: ben@acme.example is a member already" in answer.text
    assert "Line 3: eve@initech.example is invited already; resend that invitation instead" in answer.text
    assert len(invitations_to(cast.acme)) == 1
    assert len(mailbox.deliver()) == 1


def test_other_rights_for_an_invited_address_need_another_invitation(cast, ada):
    invite(ada, cast.acme, "eve@initech.example", rights="view")
    answer = invite(ada, cast.acme, "eve@initech.example", rights="edit")
    told = "is invited already with View rights; to change them, cancel that invitation and invite again"
    assert f"eve@initech.example {told}" in answer.text


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
def test_what_cannot_be_invited_is_said(cast, ada, mailbox, emails, sentence):
    answer = invite(ada, cast.acme, emails)
    assert answer.status_code == 422
    assert sentence in answer.text
    assert mailbox.deliver() == []


def test_rights_must_be_chosen_from_the_three(cast, ada):
    answer = ada.send(
        f"/account/teams/{cast.acme.id}/invitations", emails="eve@initech.example", rights="owner"
    )
    assert answer.status_code == 422
    assert "Choose View, Edit or Admin" in answer.text


def test_in_a_dialog_the_part_is_replaced_and_faults_stay_in_it(cast, ada):
    new, path = f"/account/teams/{cast.acme.id}/invitations/new", f"/account/teams/{cast.acme.id}/invitations"
    dialog = ada.page(new, headers=DIALOG)
    bad = ada.submit(dialog, path, emails="x", headers=PANEL)
    assert bad.status_code == 422
    good = ada.submit(dialog, path, emails="eve@initech.example", headers=PANEL)
    assert "close-dialog" in good.headers["HX-Trigger"]
    assert "Resend invitation to eve@initech.example" in good.text


def test_sent_again_the_new_link_works_and_the_old_one_is_dead(app, cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example")
    old = mailbox.link_in(mailbox.deliver()[0])
    [invitation] = invitations_to(cast.acme)
    path = path_of(cast.acme, invitation, "sending")
    with time_machine.travel(now() + timedelta(days=6)):
        ada = cast.ada.sign_in(app.test_client())
        answer = ada.submit(ada.page("/account/team"), path)
        assert "Invitation sent to eve@initech.example again." in ada.page(answer.headers["Location"]).text
        new = mailbox.link_in(mailbox.deliver()[0])
        eve = app.test_client()
        assert eve.get(old).status_code == 410
        assert "only the link in the newest mail works" in eve.get(old).text
    with time_machine.travel(now() + timedelta(days=12)):
        assert app.test_client().get(new).status_code == 200
    assert ("invitation.sent_again", "Ada Park", "eve@initech.example (View)") in rows.acts(app)


def test_behind_htmx_an_act_on_a_row_brings_the_part(cast, ada):
    invite(ada, cast.acme, "eve@initech.example")
    [invitation] = invitations_to(cast.acme)
    page = ada.page("/account/team")
    for act, words in (("sending", "sent to eve@initech.example again"), ("cancellation", "cancelled")):
        answer = ada.submit(page, path_of(cast.acme, invitation, act), headers=ROW)
        assert answer.status_code == 200
        assert words in parse(answer.text).with_id("teams-members")["data-announce"]


def test_cancelled_the_link_is_dead_and_cancelling_again_changes_nothing(app, cast, ada, link):
    [invitation] = invitations_to(cast.acme)
    page = ada.page("/account/team")
    path = path_of(cast.acme, invitation, "cancellation")
    assert [ada.submit(page, path).status_code for _ in range(2)] == [303, 303]
    answer = app.test_client().get(link)
    assert answer.status_code == 410
    assert "This invitation was cancelled" in answer.text
    assert [action for action, *_ in rows.acts(app)].count("invitation.cancelled") == 1
    refused = ada.submit(page, path_of(cast.acme, invitation, "sending"))
    assert refused.status_code == 410
    assert "was cancelled meanwhile" in refused.text


def test_after_seven_days_it_has_expired_and_the_address_may_be_invited_anew(app, cast, ada, mailbox, link):
    with time_machine.travel(now() + timedelta(days=7, minutes=1)):
        answer = app.test_client().get(link)
        assert answer.status_code == 410
        assert "This invitation has expired" in answer.text
        ada = cast.ada.sign_in(app.test_client())
        assert "the link has expired" in ada.page("/account/team").text
        assert invite(ada, cast.acme, "eve@initech.example", rights="admin").status_code == 303
        [message] = mailbox.deliver()
        assert app.test_client().get(mailbox.link_in(message)).status_code == 200
    [invitation] = invitations_to(cast.acme)
    assert invitation.rights == "admin"


def test_invitation_of_another_team_is_not_found(cast, app, ada):
    charlie = cast.charlie.sign_in(app.test_client())
    invite(charlie, cast.globex, "eve@initech.example")
    [invitation] = invitations_to(cast.globex)
    for act in ("sending", "cancellation"):
        assert ada.send(path_of(cast.acme, invitation, act)).status_code == 404
        assert ada.send(path_of(cast.globex, invitation, act)).status_code == 404


def test_inviting_asks_for_a_proof_and_then_goes_on_with_every_line(cast, ada, mailbox):
    page = ada.page(f"/account/teams/{cast.acme.id}/invitations/new")
    cast.ada.change_sessions(proven_at=now() - timedelta(hours=1))
    path = f"/account/teams/{cast.acme.id}/invitations"
    answer = ada.submit(page, path, emails="eve@initech.example\nmax@initech.example", rights="edit")
    assert "Confirm that it is you" in answer.text
    answer = ada.submit(parse(answer.text), path, proof_password=cast.ada.password)
    assert answer.status_code == 303
    assert len(mailbox.deliver()) == 2


def test_strangers_are_not_flooded(app, cast, ada, mailbox):
    invite(ada, cast.acme, "eve@initech.example")
    [invitation] = invitations_to(cast.acme)
    path = path_of(cast.acme, invitation, "sending")
    answers = [ada.send(path) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 303, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert len(mailbox.deliver()) == 5
    assert invite(ada, cast.acme, "max@initech.example").status_code == 303


def test_one_person_sends_at_most_a_hundred_invitations_an_hour(cast, ada):
    for batch in range(2):
        guests = [f"guest{number}@batch{batch}.example" for number in range(50)]
        assert invite(ada, cast.acme, *guests).status_code == 303
    assert invite(ada, cast.acme, "eve@initech.example").status_code == 429


def test_deleted_persons_address_is_gone_from_invitations(app, cast, mailbox):
    dora = factories.person(app, "Dora Hill", "dora@initech.example")
    ada = cast.ada.sign_in(app.test_client())
    invite(ada, cast.acme, dora.email)
    assert dora.email in ada.get("/account/team").text
    browser = dora.sign_in(app.test_client())
    browser.send("/account/profile/deletion", password=dora.password)
    assert [invitation.email for invitation in invitations_to(cast.acme)] == [""]
    assert "dora@initech.example" not in ada.get("/account/team").text


def test_more_invitations_than_a_page_shows_are_on_the_next(app, cast, ada):
    for batch in range(2):
        invite(ada, cast.acme, *[f"guest{number}@batch{batch}.example" for number in range(30)])
    [more] = [link for link in ada.page("/account/team").all("a") if link.text == "More invitations"]
    assert ada.get(more["href"]).text.count("Resend invitation to") == 10


@pytest.fixture
def former(app, cast):
    """Ben, who was an Admin and invited Eve."""
    cast.acme.give(cast.ben, Rights.ADMIN)
    browser = cast.ben.sign_in(app.test_client())
    assert invite(browser, cast.acme, "eve@initech.example", rights="admin").status_code == 303
    return cast.ben


def states(ada, team):
    return [item["email"] for item in ada.get(f"/teams/{team.id}/invitations").json["items"]]


@pytest.mark.parametrize("end", ["demoted", "removed", "left", "deleted"])
def test_invitations_of_a_former_admin_are_cancelled(app, cast, api, client, mailbox, former, end):
    [message] = mailbox.deliver()
    ada = api(cast.ada.session())
    member = f"/teams/{cast.acme.id}/members/{former.id}"
    if end == "demoted":
        assert ada.send("PATCH", member, {"rights": "edit"}).status_code == 200
    elif end == "removed":
        assert ada.send("DELETE", member).status_code == 204
    elif end == "left":
        assert api(former.session()).send("DELETE", member).status_code == 204
    else:
        browser = former.sign_in(app.test_client())
        browser.send("/account/profile/deletion", password=former.password)
    assert states(ada, cast.acme) == []
    page = client.page(mailbox.link_in(message), 410)
    assert "This invitation was cancelled" in page.text
    assert "ask an Admin of the team" in page.text
    assert ("invitation.cancelled", "eve@initech.example (Admin)") in [
        (act[0], act[2]) for act in rows.acts(app)
    ]


def test_invitation_sent_again_by_another_admin_stays(cast, api, former):
    ada = api(cast.ada.session())
    [invitation] = ada.get(f"/teams/{cast.acme.id}/invitations").json["items"]
    assert ada.post(f"/teams/{cast.acme.id}/invitations/{invitation['id']}/sending").status_code in (200, 204)
    ada.send("DELETE", f"/teams/{cast.acme.id}/members/{former.id}")
    assert states(ada, cast.acme) == ["eve@initech.example"]


def test_removal_dialog_says_which_invitations_are_cancelled(cast, ada, former):
    page = ada.page(f"/account/teams/{cast.acme.id}/members/{former.id}/removal")
    assert "1 invitation that Ben Cole sent is cancelled: eve@initech.example." in page.text


def test_invitation_is_deleted_ninety_days_after_it_was_over(app, cast, ada):
    for name in ("waiting", "cancelled"):
        invite(ada, cast.acme, f"{name}@initech.example")
    page = ada.page("/account/team")
    [cancelled] = [row for row in invitations_to(cast.acme) if row.email.startswith("cancelled")]
    ada.submit(page, path_of(cast.acme, cancelled, "cancellation"))
    acts = rows.acts(app)
    for days, left in ((89, 2), (91, 1), (96, 1), (98, 0)):
        with time_machine.travel(now() + timedelta(days=days)), app.app_context():
            prune_invitations()
            db.session.commit()
        assert rows.count(app, Invitation) == left
    assert rows.acts(app) == acts

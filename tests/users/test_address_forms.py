"""One address, however its domain is written (IDNA 2008); addresses that cannot receive mail are refused."""

import pytest

from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.teams.acts import PASSWORD, invitations_to, invite
from tests.users.signing_up import press, sign_up

pytestmark = pytest.mark.postgresql_later

UNICODE, ASCII = "eva@fußball.example", "eva@xn--fuball-cta.example"
# What versions that used IDNA 2003 made of it: the address of somebody else.
OTHER = "eva@fussball.example"
NO_DOMAIN = "The part after the @ cannot be the name of a domain"


@pytest.mark.parametrize(
    ("typed", "again"), [(UNICODE, ASCII), ("EVA@XN--FUBALL-CTA.example", "Eva@Fußball.Example")]
)
def test_forms_of_an_address_sign_up_once_and_log_in_alike(app, client, mailbox, typed, again):
    sign_up(client, email=typed)
    [message] = mailbox.deliver()
    assert message["To"] == ASCII
    press(client, mailbox.link_in(message))
    assert client.page("/account/profile").with_id("email")["value"] == UNICODE
    assert app.test_client().send("/login", email=again, password=PASSWORD).status_code == 303
    assert app.test_client().send("/login", email=OTHER, password=PASSWORD).status_code == 422
    sign_up(app.test_client(), email=again)
    assert [mail["Subject"] for mail in mailbox.deliver()] == ["You already have an account"]


def test_forms_of_an_address_are_invited_once(cast, client, mailbox):
    ada = cast.ada.sign_in(client)
    assert invite(ada, cast.acme, UNICODE, ASCII).status_code == 303
    assert [mail["To"] for mail in mailbox.deliver()] == [ASCII]
    assert f"{UNICODE} is invited already" in invite(ada, cast.acme, ASCII).text
    assert invite(ada, cast.acme, OTHER).status_code == 303
    assert [mail["To"] for mail in mailbox.deliver()] == [OTHER]
    assert [invitation.email for invitation in invitations_to(cast.acme)] == [UNICODE, OTHER]


def test_tries_are_counted_for_all_forms_together(app, cast, client, api):
    for number in range(10):
        fields = {"email": (UNICODE, ASCII)[number % 2], "password": PASSWORD}
        answer = api().post("/sessions", fields, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
        problem_of(answer, 401, "missing_credentials")
    refused = client.send("/login", email="Eva@Fußball.example", password=PASSWORD)
    assert refused.status_code == 429


@pytest.fixture
def eva(app, cast):
    """Eva, whose address an older version stored as it was typed."""
    person = factories.person(app, "Eva Berg", UNICODE)
    person.change(email=ASCII)
    return person


def test_stored_ascii_form_is_the_same_person(app, cast, client, mailbox, eva):
    eva.sign_in(client)
    assert app.test_client().send("/login", email=UNICODE, password=eva.password).status_code == 303
    browser = app.test_client()
    browser.send("/forgot-password", email=UNICODE)
    [message] = mailbox.deliver()
    assert message["To"] == ASCII
    link = mailbox.link_in(message)
    assert browser.submit(browser.page(link), link, new_password=PASSWORD).status_code == 303
    cast.acme.add(eva, Rights.VIEW)
    answer = invite(cast.ada.sign_in(app.test_client()), cast.acme, UNICODE)
    assert f"{UNICODE} is a member already" in answer.text


def test_invitation_to_one_form_is_accepted_with_the_other(app, cast, client, mailbox, eva):
    invite(cast.ada.sign_in(app.test_client()), cast.acme, UNICODE)
    link = mailbox.link_in(mailbox.deliver()[0])
    answer = press(eva.sign_in(client), link)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/team")


def test_address_that_was_mailed_elsewhere_is_not_mixed_up(app, cast, client, mailbox):
    """An older version stored `fussball` for who typed `fußball`, and mailed that domain's owner."""
    person = factories.person(app, "Eva Berg", OTHER)
    client.send("/forgot-password", email=UNICODE)
    assert mailbox.deliver() == []
    assert client.send("/login", email=UNICODE, password=person.password).status_code == 422
    sign_up(client, email=UNICODE)
    [message] = mailbox.deliver()
    assert (message["To"], message["Subject"]) == (ASCII, "Confirm your email to create your Reflow account")


@pytest.mark.parametrize(
    ("email", "sentence"),
    [
        (f"a@{'x' * 64}.example", "A name in the domain is too long"),
        (f"a@{'ü' * 60}.example", "A name in the domain is too long"),
        (f"{'x' * 65}@initech.example", "The part before the @ is too long"),
        (f"{'é' * 33}@initech.example", "The part before the @ is too long"),
        (f"a@{'.'.join(['ü' * 55] * 4)}.example", "This address is too long"),
        ("a@-initech.example", NO_DOMAIN),
        ("a@ini_tech.example", NO_DOMAIN),
        ("a@initech..example", NO_DOMAIN),
        ("a@initech.example.", NO_DOMAIN),
        ("a@192.0.2.1", NO_DOMAIN),
        ("a@xn--a.example", NO_DOMAIN),
        ("a@☕.example", NO_DOMAIN),
        (".a@initech.example", "Enter an email address like name@example.com"),
        ("a..b@initech.example", "Enter an email address like name@example.com"),
    ],
)
def test_address_that_cannot_receive_mail_is_refused(app, cast, api, email, sentence):
    answer = api(cast.ada.session()).post(
        f"/teams/{cast.acme.id}/invitations", {"emails": [email], "rights": "view"}
    )
    [error] = problem_of(answer, 422, "validation_failed")["errors"]
    assert error["field"] == "emails.0"
    assert error["message"].startswith(sentence)
    assert rows.count(app, OutboxMessage) == 0


def test_forms_and_commands_refuse_it_too(app, cast, client, flask):
    email = f"a@{'x' * 64}.example"
    answers = [sign_up(client, email=email), client.send("/forgot-password", email=email)]
    ada = cast.ada.sign_in(app.test_client())
    answers.append(ada.submit(ada.page("/account/profile"), "/account/profile", email=email))
    answers.append(invite(ada, cast.acme, email))
    assert [answer.status_code for answer in answers] == [422] * 4
    assert all("A name in the domain is too long" in answer.text for answer in answers)
    status, said = flask("users", "create", email, "--name", "Ann Ode", "--mail-link")
    assert (status, "A name in the domain is too long" in said) == (1, True)
    assert rows.count(app, OutboxMessage) == 0

"""The Unicode and ASCII forms of a domain are one address (IDNA 2008); invalid addresses are refused."""

import pytest

from reflow_accounts.mail.models import OutboxMessage
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.api import problem_of
from tests.teams.team_actions import PASSWORD, invitations_to, invite
from tests.users.signing_up import confirm, sign_up

pytestmark = pytest.mark.postgresql_later

UNICODE, ASCII = "eva@fußball.example", "eva@xn--fuball-cta.example"
# The form by IDNA 2003, which is an address of somebody else.
OTHER = "eva@fussball.example"
NO_DOMAIN = "The part after the @ cannot be the name of a domain"


@pytest.mark.parametrize(
    ("typed", "other_form"), [(UNICODE, ASCII), ("EVA@XN--FUBALL-CTA.example", "Eva@Fußball.Example")]
)
def test_forms_of_an_address_share_one_account(app, client, mailbox, typed, other_form):
    sign_up(client, email=typed)
    [message] = mailbox.deliver()
    assert message["To"] == ASCII
    confirm(client, mailbox.link_in(message))
    assert client.page("/account/profile").with_id("email")["value"] == UNICODE
    assert app.test_client().send("/login", email=other_form, password=PASSWORD).status_code == 303
    assert app.test_client().send("/login", email=OTHER, password=PASSWORD).status_code == 422
    sign_up(app.test_client(), email=other_form)
    assert [mail["Subject"] for mail in mailbox.deliver()] == ["You already have an account"]


def test_forms_of_an_address_share_one_invitation(cast, client, mailbox):
    ada = cast.ada.sign_in(client)
    assert invite(ada, cast.acme, UNICODE, ASCII).status_code == 303
    assert [mail["To"] for mail in mailbox.deliver()] == [ASCII]
    assert f"{UNICODE} is invited already" in invite(ada, cast.acme, ASCII).text
    assert invite(ada, cast.acme, OTHER).status_code == 303
    assert [mail["To"] for mail in mailbox.deliver()] == [OTHER]
    assert [invitation.email for invitation in invitations_to(cast.acme)] == [UNICODE, OTHER]


def test_attempts_are_counted_for_all_forms_together(app, cast, client, api):
    for number in range(10):
        fields = {"email": (UNICODE, ASCII)[number % 2], "password": PASSWORD}
        response = api().post("/sessions", fields, environ_base={"REMOTE_ADDR": f"192.0.2.{number}"})
        problem_of(response, 401, "missing_credentials")
    response = client.send("/login", email="Eva@Fußball.example", password=PASSWORD)
    assert response.status_code == 429


@pytest.fixture
def eva(app, cast):
    """Eva, whose address an older version stored in its ASCII form."""
    person = factories.person(app, "Eva Berg", UNICODE)
    person.change(email=ASCII)
    return person


def test_stored_ascii_form_belongs_to_the_same_user(app, cast, client, mailbox, eva):
    eva.sign_in(client)
    assert app.test_client().send("/login", email=UNICODE, password=eva.password).status_code == 303
    browser = app.test_client()
    browser.send("/forgot-password", email=UNICODE)
    [message] = mailbox.deliver()
    assert message["To"] == ASCII
    link = mailbox.link_in(message)
    assert browser.submit(browser.page(link), link, new_password=PASSWORD).status_code == 303
    cast.acme.add(eva, Rights.VIEW)
    response = invite(cast.ada.sign_in(app.test_client()), cast.acme, UNICODE)
    assert f"{UNICODE} is a member already" in response.text


def test_invitation_to_one_form_is_accepted_with_the_other(app, cast, client, mailbox, eva):
    invite(cast.ada.sign_in(app.test_client()), cast.acme, UNICODE)
    link = mailbox.link_in(mailbox.deliver()[0])
    response = confirm(eva.sign_in(client), link)
    assert (response.status_code, response.headers["Location"]) == (303, "/account/team")


def test_address_by_idna_2003_is_a_different_account(app, cast, client, mailbox):
    """For `fußball` an older version stored `fussball`, and mailed the owner of that domain."""
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
def test_invalid_address_is_explained(app, cast, api, email, sentence):
    response = api(cast.ada.session()).post(
        f"/teams/{cast.acme.id}/invitations", {"emails": [email], "rights": "view"}
    )
    [error] = problem_of(response, 422, "validation_failed")["errors"]
    assert error["field"] == "emails.0"
    assert error["message"].startswith(sentence)
    assert rows.count(app, OutboxMessage) == 0


def test_invalid_address_is_refused_by_every_form_and_command(app, cast, client, flask):
    email = f"a@{'x' * 64}.example"
    responses = [sign_up(client, email=email), client.send("/forgot-password", email=email)]
    ada = cast.ada.sign_in(app.test_client())
    responses.append(ada.submit(ada.page("/account/profile"), "/account/profile", email=email))
    responses.append(invite(ada, cast.acme, email))
    assert [response.status_code for response in responses] == [422] * 4
    assert all("A name in the domain is too long" in response.text for response in responses)
    status, output = flask("users", "create", email, "--name", "Ann Ode", "--mail-link")
    assert (status, "A name in the domain is too long" in output) == (1, True)
    assert rows.count(app, OutboxMessage) == 0

"""Staff need a second factor in production before the console opens."""

from dataclasses import replace

import pytest

from tests.helpers.api import problem_of
from tests.helpers.authenticator_app import turn_on
from tests.helpers.passkeys import add_by_hand

pytestmark = pytest.mark.postgresql_later

TAB = "/account/security"
EXPLANATION = "The support console needs a second factor"


@pytest.fixture
def production(app):
    settings = app.config["SETTINGS"]
    app.config["SETTINGS"] = replace(settings, environment="production")
    yield
    app.config["SETTINGS"] = settings


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
def test_staff_without_second_factor_are_redirected(cast, client, headers):
    cast.sam.sign_in(client)
    response = client.get("/support", headers=headers)
    assert (response.headers.get("Location") or response.headers.get("HX-Redirect")) == TAB
    assert EXPLANATION in client.get(TAB).text
    assert client.send("/support/teams/x/subscription").headers["Location"] == TAB


@pytest.mark.usefixtures("production")
def test_authenticator_app_opens_the_console(cast, client):
    cast.sam.sign_in(client)
    turn_on(cast.sam)
    assert client.get("/support").status_code == 200


@pytest.mark.usefixtures("production")
def test_passkey_opens_the_console_and_is_requested_after_the_password(app, cast, client):
    cast.sam.sign_in(client)
    add_by_hand(cast.sam)
    assert client.get("/support").status_code == 200
    other = app.test_client()
    response = other.send("/login", email=cast.sam.email, password=cast.sam.password)
    assert response.headers["Location"] == "/login/code"
    page = other.page("/login/code")
    assert page.all("h1")[0].text == "Use your passkey"
    assert "Sign in with a passkey" in page.text
    # The script removes this text when passkeys are supported.
    [sentence] = [part.text for part in page.all("p") if "data-without-passkeys" in part]
    assert sentence.startswith("This browser cannot use a passkey here.")
    assert other.get("/support").status_code == 404


def test_development_console_needs_no_second_factor(cast, client):
    assert cast.sam.sign_in(client).get("/support").status_code == 200


@pytest.mark.usefixtures("production")
def test_staff_api_needs_a_second_factor(cast, api):
    program = api(cast.sam.session())
    problem_of(program.get("/support/teams"), 403, "insufficient_rights")
    turn_on(cast.sam)
    assert program.get("/support/teams").status_code == 200


def test_development_staff_api_needs_no_second_factor(cast, api):
    assert api(cast.sam.session()).get("/support/teams").status_code == 200

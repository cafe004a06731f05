"""Every field of every form, sent as a file, repeated, missing, long, with NUL or broken: never a server error."""

import pytest

from tests.helpers.authenticator_app import turn_on
from tests.helpers.mailbox import Mailbox
from tests.helpers.odd_fields import LONG, FoundForm, Sender
from tests.helpers.page_client import PageClient
from tests.helpers.routes import SAFE, belongings, every_route
from tests.house.matrix_client import words

pytestmark = pytest.mark.postgresql_later

# Fields and parameters that views read without a form.
OTHER_NAMES = ("name", "cursor", "waiting", "key", "team", "account", "next", "seen", "active", "rights")


def mailed_links(app, cast, client):
    """Return the pages of mailed links: new password, sign-up, invitation of a stranger."""
    client.send("/forgot-password", email=cast.ben.email)
    fields = {"full_name": "Eve Moss", "email": "eve@example.com", "team_name": "Moss"}
    client.send("/signup", **fields, password=cast.ada.password)
    mailbox = Mailbox(app)
    return [mailbox.link_in(mail) for mail in mailbox.deliver()]


@pytest.mark.slow
@pytest.mark.parametrize("user", ["ada", "sam", "nobody", "half"])
def test_odd_fields_cause_no_server_error(app, cast, another, user):
    """`half`: a user between the password and the second factor."""
    routes = [route for route in every_route(app, belongings(app, cast)) if not route.is_api]
    unlimited = another(rate_limits=False)
    client = PageClient(unlimited, unlimited.response_class)
    pages = [route.path for route in routes if route.method == "GET"]
    if user == "nobody":
        pages += mailed_links(app, cast, client)
    elif user == "half":
        turn_on(cast.ben)
        client.send("/login", email=cast.ben.email, password=cast.ben.password)
        pages = ["/login/code", "/login/recovery-code"]
    else:
        getattr(cast, user).sign_in(client)
        pages = [path for path in pages if path.startswith("/support") == (user == "sam")]
    sender = Sender(unlimited, client, words(None))
    forms = sender.forms(pages)
    assert forms
    for form in forms.values():
        for name in form.fields:
            sender.send(form, {name})
    # Routes without a form on these pages get all fields at once.
    names = dict.fromkeys(
        [*words(None), *OTHER_NAMES, *(name for form in forms.values() for name in form.fields)], ""
    )
    for route in routes if user in ("ada", "nobody") else ():
        if route.method not in SAFE and ("POST", route.path) not in forms:
            sender.send(FoundForm("POST", route.path, names), set(names))
    assert not sender.wrong, "\n".join(["", *sender.wrong])


@pytest.mark.slow
def test_long_parameters_of_pages_cause_no_server_error(app, cast, client):
    routes = [route for route in every_route(app, belongings(app, cast)) if not route.is_api]
    cast.ada.sign_in(client)
    for route in routes:
        for name in ("name", "cursor", "key", "waiting") if route.method == "GET" else ():
            response = client.get(route.path, query_string={name: LONG})
            assert response.status_code < 500, f"{route}: {name}: {response.status}"

"""Every field of every form, sent as a file, repeated, missing, long, with NUL or broken: never a server error."""

from dataclasses import dataclass
from urllib.parse import quote_from_bytes, urlsplit

import pytest

from reflow_accounts.web.input import LARGEST_BODY_BYTES
from tests.helpers import databases
from tests.helpers.authenticator_app import turn_on
from tests.helpers.html import parse
from tests.helpers.mailbox import Mailbox
from tests.helpers.page_client import PageClient
from tests.helpers.routes import SAFE, belongings, every_route
from tests.house.matrix_client import words

pytestmark = pytest.mark.postgresql_later

BOUNDARY = "limit"
LONG = b"x" * (LARGEST_BODY_BYTES - 8_000)
FORM = "application/x-www-form-urlencoded"
# What one field becomes: a list of names and values.
KINDS = {
    "missing": lambda name, value: [],
    "repeated": lambda name, value: [(name, value), (name, b"another")],
    "long": lambda name, value: [(name, LONG)],
    "too long": lambda name, value: [(name, b"x" * 100_000)],
    "with NUL": lambda name, value: [(name, value + b"\0")],
    "invalid UTF-8": lambda name, value: [(name, b"\xff\xfe\xc3" + value)],
}
# Fields and parameters that views read without a form.
OTHER_NAMES = ("name", "cursor", "waiting", "key", "team", "account", "next", "seen", "active", "rights")


@dataclass(frozen=True)
class FoundForm:
    """A form of a page, and what it sends as it stands."""

    method: str
    path: str
    fields: dict[str, str]

    @classmethod
    def of(cls, element, address):
        named = [item for item in element.all("input", "select", "textarea", "button") if item["name"]]
        fields = {item["name"]: item["value"] for item in named if item["name"] != "csrf_token"}
        return cls(element["method"].upper(), element["action"] or address, fields)


class Sender:
    """Sends forms with odd fields; what a request changed is put back, so that each form works again."""

    def __init__(self, app, client):
        self._app, self._client = app, client
        self._rows, self._cookies = databases.rows(app), dict(client._cookies)
        self.wrong = []

    def forms(self, paths):
        """Return the forms of these pages, one for each method and address."""
        found = {}
        for path in paths:
            answer = self._client.get(path)
            if answer.mimetype == "text/html" and answer.status_code == 200:
                for form in [FoundForm.of(element, path) for element in parse(answer.text).all("form")]:
                    found.setdefault((form.method, urlsplit(form.path).path), form)
        return found

    def send(self, form, odd_names):
        """Send the form once for each kind of odd field."""
        known = words(None)
        fields = {name: (known.get(name) or value or "x").encode() for name, value in form.fields.items()}
        plain = [pair for pair in fields.items() if pair[0] not in odd_names]
        odd = [pair for pair in fields.items() if pair[0] in odd_names]
        for kind, change in KINDS.items():
            pairs = plain + [pair for name, value in odd for pair in change(name, value)]
            if form.method == "GET":
                answer = self._client.get(form.path, query_string=encoded(pairs))
            else:
                answer = self._post(form, encoded([self._token(), *pairs]), FORM)
            self._check(form, kind, odd_names, answer)
        if form.method == "POST":
            parts = [part(*pair) for pair in [self._token(), *plain]]
            files = [part(*pair, '; filename="a.txt"') for pair in odd]
            body = b"".join([*parts, *files, f"--{BOUNDARY}--\r\n".encode()])
            answer = self._post(form, body, f"multipart/form-data; boundary={BOUNDARY}")
            self._check(form, "file", odd_names, answer)
            if answer.status_code != 400:
                self.wrong.append(f"POST {form.path}: {odd_names} as a file: {answer.status}")
            headers = {"X-CSRFToken": self._client.csrf_token()}
            json = {name: [1] if name in odd_names else "x" for name in fields}
            answer = self._client.post(form.path, json=json, headers=headers)
            self._check(form, "JSON", odd_names, answer)

    def _token(self):
        return "csrf_token", self._client.csrf_token().encode()

    def _post(self, form, body, content_type):
        return self._client.post(form.path, data=body, content_type=content_type)

    def _check(self, form, kind, odd_names, answer):
        if answer.status_code >= 500:
            self.wrong.append(f"{form.method} {form.path}: {odd_names} {kind}: {answer.status}")
        if form.method == "POST" and answer.status_code < 400:
            databases.empty(self._app)
            databases.fill(self._app, self._rows)
            self._client._cookies = dict(self._cookies)


def encoded(pairs):
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)


def part(name, value, more=""):
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"


def mailed_links(app, cast, client):
    """Return the pages of mailed links: new password, sign-up, invitation of a stranger."""
    client.send("/forgot-password", email=cast.ben.email)
    fields = {"full_name": "Eve Moss", "email": "eve@example.com", "team_name": "Moss"}
    client.send("/signup", **fields, password=cast.ada.password)
    mailbox = Mailbox(app)
    return [mailbox.link_in(mail) for mail in mailbox.deliver()]


@pytest.mark.parametrize("who", ["ada", "sam", "nobody", "half"])
def test_odd_fields_cause_no_server_error(app, cast, another, who):
    """Half: the password was right, and the second factor is asked for."""
    routes = [route for route in every_route(app, belongings(app, cast)) if not route.is_api]
    unlimited = another(rate_limits=False)
    client = PageClient(unlimited, unlimited.response_class)
    pages = [route.path for route in routes if route.method == "GET"]
    if who == "nobody":
        pages += mailed_links(app, cast, client)
    elif who == "half":
        turn_on(cast.ben)
        client.send("/login", email=cast.ben.email, password=cast.ben.password)
        pages = ["/login/code", "/login/recovery-code"]
    else:
        getattr(cast, who).sign_in(client)
        pages = [path for path in pages if path.startswith("/support") == (who == "sam")]
    sender = Sender(unlimited, client)
    forms = sender.forms(pages)
    assert forms
    for form in forms.values():
        for name in form.fields:
            sender.send(form, {name})
    # What no page shows now gets all fields at once.
    names = dict.fromkeys(
        [*words(None), *OTHER_NAMES, *(name for form in forms.values() for name in form.fields)], ""
    )
    for route in routes if who in ("ada", "nobody") else ():
        if route.method not in SAFE and ("POST", route.path) not in forms:
            sender.send(FoundForm("POST", route.path, names), set(names))
    assert not sender.wrong, "\n".join(["", *sender.wrong])


def test_long_parameters_of_pages_cause_no_server_error(app, cast, client):
    routes = [route for route in every_route(app, belongings(app, cast)) if not route.is_api]
    cast.ada.sign_in(client)
    for route in routes:
        for name in ("name", "cursor", "key", "waiting") if route.method == "GET" else ():
            answer = client.get(route.path, query_string={name: LONG})
            assert answer.status_code < 500, f"{route}: {name}: {answer.status}"

"""In-process browser without JavaScript: keeps cookies, sends forms and checks every page."""

import re
from base64 import urlsafe_b64encode
from typing import Any

from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from tests.helpers.html import Element, parse
from tests.helpers.page_lint import mistakes_in

HTMX = {"HX-Request": "true"}
_TOKEN = re.compile(r'(?<=name="csrf_token" value=")[^"]+')
# Hashes of the pages without mistakes: half of all pages are like an earlier one.
_FAULTLESS: set[int] = set()


class PageClient(FlaskClient):
    """Checks every uncompressed HTML response; `send` posts a form as one of our own pages would."""

    # The address of the site; None for http://localhost.
    base_url: str | None = None

    def open(self, *arguments: Any, **more: Any) -> TestResponse:
        response = super().open(*arguments, **{"buffered": True, "base_url": self.base_url} | more)
        is_page = response.mimetype == "text/html" and response.data and not response.content_encoding
        if is_page and not 300 <= response.status_code < 400:
            check(response)
        return response

    def csrf_token(self) -> str:
        """Return a CSRF token for this session, as a page would contain it."""
        with self.session_transaction(base_url=self.base_url) as session:
            session.setdefault("csrf_token", "0123456789abcdef0123456789abcdef01234567")
            raw = session["csrf_token"]
        signed = (
            URLSafeTimedSerializer(self.application.secret_key, salt="wtf-csrf-token").dumps(raw).encode()
        )
        # A mask of zeros.
        return urlsafe_b64encode(bytes(len(signed)) + signed).decode()

    def send(self, path: str, *, headers: dict[str, str] | None = None, **fields: str) -> TestResponse:
        """Post a form with a CSRF token of this session."""
        return self.post(path, data={"csrf_token": self.csrf_token()} | fields, headers=headers)

    def page(self, path: str, status: int = 200, **more: Any) -> Element:
        """Return a page as a tree."""
        response = self.get(path, **more)
        assert response.status_code == status, response.text
        page = parse(response.text)
        page.attributes["address"] = path
        return page

    def submit(
        self, page: Element, action: str, *, headers: dict[str, str] | None = None, **fields: str
    ) -> TestResponse:
        """Fill in the form with this action on `page`, and send it."""
        forms = {form["action"] or page["address"]: form for form in page.all("form")}
        addresses = [address for address in forms if address.partition("?")[0] == action]
        assert addresses, f"no form for {action}; there are {list(forms)}"
        address = addresses[0]
        form = forms[address]
        written = {
            item["name"]: item["value"] for item in form.all("input") if item["name"] and _is_sent(item)
        }
        written |= {
            chosen["name"]: option["value"]
            for chosen in form.all("select")
            for option in chosen.all("option")
            if "selected" in option
        }
        unknown = set(fields) - {item["name"] for item in form.all("input", "select", "textarea")}
        assert not unknown, f"{form} has no {unknown}"
        if form["method"].lower() == "get":
            return self.get(address, query_string=written | fields, headers=headers)
        return self.post(address, data=written | fields, headers=headers)


def check(response: TestResponse) -> None:
    """Check the headers and the page rules of an HTML response."""
    headers, request = response.headers, response.request
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "no-store" in headers["Cache-Control"]
    assert {"hx-request", "hx-target"} <= {name.lower() for name in response.vary}
    is_fragment = "<html" not in response.text
    assert is_fragment == (request.headers.get("HX-Request") == "true"), (
        f"{request.path}: {response.text[:200]}"
    )
    # The value of a token is new on each page.
    page = hash((is_fragment, _TOKEN.sub("", response.text)))
    if page in _FAULTLESS:
        return
    mistakes = mistakes_in(response.text, is_fragment=is_fragment)
    assert not mistakes, "\n".join([f"{request.method} {request.path} ({response.status})", *mistakes])
    _FAULTLESS.add(page)


def _is_sent(item: Element) -> bool:
    return item["type"] not in ("checkbox", "radio", "submit", "button") or "checked" in item

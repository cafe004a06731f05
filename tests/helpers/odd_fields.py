"""Sends forms with odd fields: as a file, as JSON, repeated, missing, long, with NUL, as invalid UTF-8."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from reflow_accounts.web.request_input import LARGEST_BODY_BYTES
from tests.helpers import databases
from tests.helpers.html import Element, parse
from tests.helpers.page_client import PageClient

Pair = tuple[str, bytes]

BOUNDARY = "limit"
LONG = b"x" * (LARGEST_BODY_BYTES - 8_000)
FORM = "application/x-www-form-urlencoded"
# Functions that replace a field by a list of names and values.
KINDS: dict[str, Callable[[str, bytes], list[Pair]]] = {
    "missing": lambda name, value: [],
    "repeated": lambda name, value: [(name, value), (name, b"another")],
    "long": lambda name, value: [(name, LONG)],
    "too long": lambda name, value: [(name, b"x" * 100_000)],
    "with NUL": lambda name, value: [(name, value + b"\0")],
    "invalid UTF-8": lambda name, value: [(name, b"\xff\xfe\xc3" + value)],
}


@dataclass(frozen=True)
class FoundForm:
    """A form of a page, with the values that it sends unchanged."""

    method: str
    path: str
    fields: dict[str, str]

    @classmethod
    def of(cls, element: Element, address: str) -> "FoundForm":
        named = [item for item in element.all("input", "select", "textarea", "button") if item["name"]]
        fields = {item["name"]: item["value"] for item in named if item["name"] != "csrf_token"}
        return cls(element["method"].upper(), element["action"] or address, fields)


class Sender:
    """Sends forms with odd fields, and undoes the changes of each request, so that every form works.

    `values` are valid values by field name.
    """

    def __init__(self, app: Flask, client: PageClient, values: Mapping[str, str]) -> None:
        self._app, self._client, self._values = app, client, values
        self._rows, self._cookies = databases.rows(app), dict(client._cookies or {})
        self.wrong: list[str] = []

    def forms(self, paths: Iterable[str]) -> dict[tuple[str, str], FoundForm]:
        """Return the forms of these pages, one for each method and path."""
        found: dict[tuple[str, str], FoundForm] = {}
        for path in paths:
            response = self._client.get(path)
            if response.mimetype == "text/html" and response.status_code == 200:
                for form in [FoundForm.of(element, path) for element in parse(response.text).all("form")]:
                    found.setdefault((form.method, urlsplit(form.path).path), form)
        return found

    def send(self, form: FoundForm, odd_names: Collection[str]) -> None:
        """Send the form once for each kind of odd field."""
        fields = {
            name: (self._values.get(name) or value or "x").encode() for name, value in form.fields.items()
        }
        plain = [pair for pair in fields.items() if pair[0] not in odd_names]
        odd = [pair for pair in fields.items() if pair[0] in odd_names]
        for kind, change in KINDS.items():
            pairs = plain + [pair for name, value in odd for pair in change(name, value)]
            if form.method == "GET":
                response = self._client.get(form.path, query_string=encoded(pairs))
            else:
                response = self._post(form, encoded([self._token(), *pairs]), FORM)
            self._check(form, kind, odd_names, response)
        if form.method == "POST":
            parts = [part(*pair) for pair in [self._token(), *plain]]
            files = [part(*pair, '; filename="a.txt"') for pair in odd]
            body = b"".join([*parts, *files, f"--{BOUNDARY}--\r\n".encode()])
            response = self._post(form, body, f"multipart/form-data; boundary={BOUNDARY}")
            self._check(form, "file", odd_names, response)
            if response.status_code != 400:
                self.wrong.append(f"POST {form.path}: {odd_names} as a file: {response.status}")
            headers = {"X-CSRFToken": self._client.csrf_token()}
            json = {name: [1] if name in odd_names else "x" for name in fields}
            response = self._client.post(form.path, json=json, headers=headers)
            self._check(form, "JSON", odd_names, response)

    def _token(self) -> Pair:
        return "csrf_token", self._client.csrf_token().encode()

    def _post(self, form: FoundForm, body: str | bytes, content_type: str) -> TestResponse:
        return self._client.post(form.path, data=body, content_type=content_type)

    def _check(self, form: FoundForm, kind: str, odd_names: Collection[str], response: TestResponse) -> None:
        if response.status_code >= 500:
            self.wrong.append(f"{form.method} {form.path}: {odd_names} {kind}: {response.status}")
        if form.method == "POST" and response.status_code < 400:
            databases.empty(self._app)
            databases.fill(self._app, self._rows)
            self._client._cookies = dict(self._cookies)


def encoded(pairs: Iterable[Pair]) -> str:
    return "&".join(f"{name}={quote_from_bytes(value)}" for name, value in pairs)


def part(name: str, value: bytes, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + value + b"\r\n"

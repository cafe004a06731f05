"""Compressed responses: their weight, static files, and secrets, which are never compressed (BREACH)."""

import gzip
import re

import brotli
import pytest

from tests.helpers.authenticator_app import AuthenticatorApp
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

BOTH = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def unpacked(answer):
    encoding = answer.headers.get("Content-Encoding")
    return {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding](answer.data)


def weight_of(answer):
    """Return the bytes of a response, with its headers as HTTP/1.1 sends them."""
    return len(answer.data) + sum(len(f"{name}: {value}\r\n") for name, value in answer.headers.items())


def loaded(client, path):
    """Return the weights of a page and of every file that it names."""
    answer = client.get(path, headers=BOTH)
    page = parse(unpacked(answer).decode())
    files = [item["href"] for item in page.all("link")] + [item["src"] for item in page.all("script")]
    return [weight_of(answer), *(weight_of(client.get(name, headers=BOTH)) for name in files)]


def test_api_keys_are_light(cast, client):
    for number in range(4):
        cast.ada.key(f"CI {number}")
    cast.ada.sign_in(client)
    warm, *files = loaded(client, "/account/api-keys")
    assert len(files) == 4
    assert warm <= 6_000
    assert warm + sum(files) <= 28_000


def test_log_in_page_is_the_lightest(client):
    weights = loaded(client, "/login")
    assert (len(weights) <= 4, sum(weights) <= 11_000) == (True, True), weights


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("br, gzip", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("", None),
        ("zstd", None),
        ("*;q=0", None),
    ],
)
def test_static_file_is_sent_as_the_browser_accepts_it(client, accepted, encoding):
    plain = client.get("/static/css/reflow.css").data
    answer = client.get("/static/css/reflow.css", headers={"Accept-Encoding": accepted})
    assert answer.headers.get("Content-Encoding") == encoding
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.mimetype == "text/css"
    assert unpacked(answer) == plain
    known = {"Accept-Encoding": accepted, "If-None-Match": answer.headers["ETag"]}
    again = client.get("/static/css/reflow.css", headers=known)
    assert (again.status_code, again.data) == (304, b"")


def test_assets_are_immutable_for_every_visitor(cast, client):
    cast.ada.sign_in(client)
    page = client.page("/account/api-keys")
    addresses = [item["href"] for item in page.all("link")] + [item["src"] for item in page.all("script")]
    assert len(addresses) == 4
    for address in addresses:
        answer = client.get(address)
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert (answer.headers["Vary"], "Set-Cookie" in answer.headers) == ("Accept-Encoding", False)
        plain = re.sub(r"\.[0-9a-f]{12}\.", ".", address)
        assert client.get(plain).headers["Cache-Control"] == "no-cache"
        assert client.get(plain).data == answer.data


def test_file_of_another_version_is_sent_but_not_kept(client):
    answer = client.get("/static/css/reflow.0123456789ab.css")
    assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "no-cache")


@pytest.mark.parametrize("path", ["/help/api", "/api/v1/openapi.json"])
def test_pages_and_json_are_compressed(client, path):
    for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip")):
        answer = client.get(path, headers={"Accept-Encoding": accepted})
        assert answer.headers["Content-Encoding"] == encoding
        assert "accept-encoding" in answer.vary
        assert unpacked(answer).decode() == client.get(path).text


def test_secrets_are_not_compressed(cast, client, api):
    ada = cast.ada.sign_in(client)
    form = ada.page("/account/api-keys/new")
    revealed = ada.submit(form, "/account/api-keys", headers=BOTH, name="CI")
    setup = ada.get("/account/security/second-factor/new", headers=BOTH)
    app = AuthenticatorApp(parse(setup.text).with_id("setup-key").text)
    codes = ada.submit(parse(setup.text), "/account/security/second-factor", headers=BOTH, code=app.code())
    made = api(cast.ben.key().secret).post("/keys", json={"name": "second"}, headers=BOTH)
    for answer, secret in (
        (revealed, "rfk_"),
        (setup, "setup-key"),
        (codes, "Recovery codes"),
        (made, "rfk_"),
    ):
        assert "Content-Encoding" not in answer.headers
        assert secret in answer.text


def csrf_token_of(page):
    return next(item["value"] for item in page.all("input") if item["name"] == "csrf_token")


def test_csrf_token_differs_in_every_response(cast, client):
    cast.ada.sign_in(client)
    tokens = {csrf_token_of(client.page("/account/profile")) for _ in range(3)}
    assert len(tokens) == 3
    prefixes = {token[:8] for token in tokens} | {token[-40:-32] for token in tokens}
    assert len(prefixes) == 6
    for token in tokens:
        answer = client.post("/account/profile", data={"csrf_token": token, "full_name": "Ada Park"})
        assert answer.status_code != 400

"""Compressed responses: their weight, static files, and secrets, which are never compressed (BREACH)."""

import gzip
import re

import brotli
import pytest

from tests.helpers.authenticator_app import AuthenticatorApp
from tests.helpers.html import parse

pytestmark = pytest.mark.postgresql_later

BOTH = {"Accept-Encoding": "gzip, deflate, br, zstd"}


def decompress(response):
    encoding = response.headers.get("Content-Encoding")
    return {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding](response.data)


def size_of(response):
    """Return the bytes of a response, with its headers as HTTP/1.1 sends them."""
    return len(response.data) + sum(len(f"{name}: {value}\r\n") for name, value in response.headers.items())


def sizes_of_page_and_files(client, path):
    """Return the weights of a page and of every file that it names."""
    response = client.get(path, headers=BOTH)
    page = parse(decompress(response).decode())
    files = [item["href"] for item in page.all("link")] + [item["src"] for item in page.all("script")]
    return [size_of(response), *(size_of(client.get(name, headers=BOTH)) for name in files)]


def test_api_keys_tab_is_small(cast, client):
    for number in range(4):
        cast.ada.key(f"CI {number}")
    cast.ada.sign_in(client)
    page_size, *files = sizes_of_page_and_files(client, "/account/api-keys")
    assert len(files) == 4
    assert page_size <= 6_000
    assert page_size + sum(files) <= 28_000


def test_log_in_page_is_smaller(client):
    sizes = sizes_of_page_and_files(client, "/login")
    assert (len(sizes) <= 5, sum(sizes) <= 11_000) == (True, True), sizes


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
def test_static_file_has_an_accepted_encoding(client, accepted, encoding):
    plain = client.get("/static/css/reflow.css").data
    response = client.get("/static/css/reflow.css", headers={"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == encoding
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.mimetype == "text/css"
    assert decompress(response) == plain
    headers = {"Accept-Encoding": accepted, "If-None-Match": response.headers["ETag"]}
    not_modified = client.get("/static/css/reflow.css", headers=headers)
    assert (not_modified.status_code, not_modified.data) == (304, b"")


def test_assets_are_immutable(cast, client):
    cast.ada.sign_in(client)
    page = client.page("/account/api-keys")
    paths = [item["href"] for item in page.all("link")] + [item["src"] for item in page.all("script")]
    assert len(paths) == 4
    for path in paths:
        response = client.get(path)
        assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert (response.headers["Vary"], "Set-Cookie" in response.headers) == ("Accept-Encoding", False)
        plain = re.sub(r"\.[0-9a-f]{12}\.", ".", path)
        assert client.get(plain).headers["Cache-Control"] == "no-cache"
        assert client.get(plain).data == response.data


def test_file_of_another_version_is_sent_without_caching(client):
    response = client.get("/static/css/reflow.0123456789ab.css")
    assert (response.status_code, response.headers["Cache-Control"]) == (200, "no-cache")
    assert client.get("/static/css/reflow.0123456789.css").status_code == 404


def test_each_encoding_of_a_file_has_its_own_etag(client):
    accepted = ("br", "gzip", "")
    responses = [client.get("/static/css/reflow.css", headers={"Accept-Encoding": each}) for each in accepted]
    assert len({response.headers["ETag"] for response in responses}) == 3


@pytest.mark.parametrize("path", ["/help/api", "/api/v1/openapi.json"])
def test_pages_and_json_are_compressed(client, path):
    for accepted, encoding in (("gzip, br", "br"), ("gzip", "gzip")):
        response = client.get(path, headers={"Accept-Encoding": accepted})
        assert response.headers["Content-Encoding"] == encoding
        assert "accept-encoding" in response.vary
        assert decompress(response).decode() == client.get(path).text


def test_secrets_are_not_compressed(cast, client, api):
    ada = cast.ada.sign_in(client)
    form = ada.page("/account/api-keys/new")
    revealed = ada.submit(form, "/account/api-keys", headers=BOTH, name="CI")
    setup = ada.get("/account/security/second-factor/new", headers=BOTH)
    app = AuthenticatorApp(parse(setup.text).with_id("setup-key").text)
    codes = ada.submit(parse(setup.text), "/account/security/second-factor", headers=BOTH, code=app.code())
    created = api(cast.ben.key().secret).post("/keys", json={"name": "second"}, headers=BOTH)
    for response, secret in (
        (revealed, "rfk_"),
        (setup, "setup-key"),
        (codes, "Recovery codes"),
        (created, "rfk_"),
    ):
        assert "Content-Encoding" not in response.headers
        assert secret in response.text


def csrf_token_of(page):
    return next(item["value"] for item in page.all("input") if item["name"] == "csrf_token")


def test_csrf_token_differs_in_every_response(cast, client):
    cast.ada.sign_in(client)
    tokens = {csrf_token_of(client.page("/account/profile")) for _ in range(3)}
    assert len(tokens) == 3
    prefixes = {token[:8] for token in tokens} | {token[-40:-32] for token in tokens}
    assert len(prefixes) == 6
    for token in tokens:
        response = client.post("/account/profile", data={"csrf_token": token, "full_name": "Ada Park"})
        assert response.status_code != 400

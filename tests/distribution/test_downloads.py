"""Downloads of the command from the site, and the pages that say how to install it."""

import hashlib

import pytest

from reflow_accounts import __version__, config
from tests.helpers.asgi_client import AsgiClient
from tests.helpers.html import parse
from tests.helpers.page_client import PageClient
from tests.teams.service_account_actions import ci_key_path

WHEEL = f"/cli/reflow_accounts-{__version__}-py3-none-any.whl"
PYZ = "/cli/reflow.pyz"
FOR_EVER = "public, max-age=31536000, immutable"

pytestmark = pytest.mark.postgresql_later


@pytest.fixture(params=["wsgi", "asgi"])
def get(request, app):
    """`get(path, headers, method)`: status, headers and body from either kind of server."""
    if request.param == "asgi":
        client = AsgiClient(app)

        def ask(path, headers=(), method="GET"):
            response = client.get(path, headers, method)
            return response.status, dict(response.headers), response.body

        yield ask
        client.close()
        return

    def ask(path, headers=(), method="GET"):
        response = app.test_client().open(path, method=method, headers=dict(headers))
        return response.status_code, {name.lower(): value for name, value in response.headers}, response.data

    yield ask


@pytest.mark.parametrize(
    ("path", "media_type", "caching"),
    [(WHEEL, "application/zip", FOR_EVER), (PYZ, "application/octet-stream", "no-cache")],
)
def test_files_are_served_with_their_type_and_lifetime(get, path, media_type, caching):
    status, headers, body = get(path)
    assert (status, headers["content-type"], headers["cache-control"]) == (200, media_type, caching)
    assert int(headers["content-length"]) == len(body) > 50_000
    assert "vary" not in headers
    assert "set-cookie" not in headers

    status, only_headers, nothing = get(path, method="HEAD")
    assert (status, only_headers["content-length"], nothing) == (200, headers["content-length"], b"")
    status, _, nothing = get(path, {"If-None-Match": headers["etag"]})
    assert (status, nothing) == (304, b"")
    status, part_headers, part = get(path, {"Range": "bytes=10-19"})
    assert (status, part) == (206, body[10:20])
    assert part_headers["content-range"] == f"bytes 10-19/{len(body)}"


def test_there_is_nothing_else_to_download(client):
    for name in ("", "reflow_accounts-0.0.1-py3-none-any.whl", "../reflow.pyz", "..%2f..%2fpyproject.toml"):
        assert client.get(f"/cli/{name}").status_code == 404


def test_help_shows_the_digests_of_the_files(client):
    text = client.page("/help/cli").text
    for path in (WHEEL, PYZ):
        assert hashlib.sha256(client.get(path).data).hexdigest() in text


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({}, f"pipx install http://localhost{WHEEL}"),
        ({"base_url": "http://accounts.example.com"}, f"pipx install http://accounts.example.com{WHEEL}"),
        ({"cli_install": "brew install 'acme/reflow'"}, "brew install 'acme/reflow'"),
    ],
    ids=["request", "base-url", "operator"],
)
def test_pages_with_the_command_begin_with_the_line_that_installs_it(another, cast, settings, line):
    site = another(**settings)
    address = settings.get("base_url", "http://localhost")
    client = PageClient(site, site.response_class)
    client.base_url = address
    cast.ada.sign_in(client)
    empty = client.page("/account/api-keys")
    form, ci_form = client.page("/account/api-keys/new"), client.page(ci_key_path(cast.acme))
    created = parse(client.submit(form, "/account/api-keys", name="laptop").text)
    for_ci = parse(client.submit(ci_form, ci_key_path(cast.acme)).text)
    blocks = [
        empty.with_id("lines-empty"),
        created.with_id("lines-created"),
        for_ci.with_id("lines-checkout"),
    ]
    blocks.append(client.page("/help/cli").with_id("lines-start"))
    for block in blocks:
        assert block.text.startswith(line)
    for name in ("github", "gitlab", "jenkins"):
        block = for_ci.with_id(f"lines-{name}")
        assert block.text.index(line) < block.text.index("reflow whoami")
        blocks.append(block)
    for block in blocks:
        assert address in block.text


@pytest.mark.parametrize("value", ["pipx install a\nreflow", "pipx\x1b[0m"])
def test_line_that_is_not_one_line_is_refused(tmp_path, value):
    with pytest.raises(config.ConfigError, match="REFLOW_CLI_INSTALL must be one line"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), "REFLOW_CLI_INSTALL": value})

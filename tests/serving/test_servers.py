"""The main job and the pages on every supported ASGI and WSGI server."""

import shutil
import signal
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

import pytest
from sqlalchemy import select

from reflow_accounts import demo
from reflow_accounts.database import db
from reflow_accounts.demo import PASSWORD
from reflow_accounts.teams.models import Team
from tests.crash.load import ask, log_in
from tests.helpers import databases
from tests.helpers.html import Element, parse
from tests.helpers.live_server import LiveServer
from tests.serving.raw_http import connected, request

HOST = "127.0.0.1"
WSGIREF = """
import os
from wsgiref.simple_server import make_server
from wsgi import app
make_server("127.0.0.1", int(os.environ["PORT"]), app).serve_forever()
"""
SERVERS = {
    "granian-asgi": "-m granian --interface asgi reflow_accounts.asgi:app --host {host} --port {port}",
    "uvicorn": "-m uvicorn reflow_accounts.asgi:app --host {host} --port {port}",
    "granian-wsgi": "-m granian --interface wsgi wsgi:app --host {host} --port {port}",
    "wsgiref": None,
}


class ServerOfKind(LiveServer):
    """One of `SERVERS`."""

    kind = ""

    def arguments(self) -> list[str]:
        command = SERVERS[self.kind]
        return command.format(host=HOST, port=self.port).split() if command else ["-c", WSGIREF]

    def end(self) -> None:
        """Stop as an operator does."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.kill()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory):
    """A folder with a migrated database and the demo data."""
    folder = tmp_path_factory.mktemp("migrated")
    app = LiveServer(folder).app
    databases.migrate(app)
    with app.app_context():
        demo.seed()
    databases.close(app)
    return folder


@pytest.fixture(scope="module", params=SERVERS)
def any_server(request, migrated, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    shutil.copytree(migrated, folder, dirs_exist_ok=True)
    server = ServerOfKind(folder)
    server.kind = request.param
    server.start()
    yield server
    server.end()
    log = server.log.read_text()
    assert "Traceback" not in log
    assert '"level": "error"' not in log
    assert "rfk_" not in log


def team_id(server: LiveServer, name: str) -> str:
    with server.app.app_context():
        return db.session.scalars(select(Team.public_id).where(Team.name == name)).one()


def test_main_job_works(any_server):
    session = log_in(any_server)
    status, key = ask(any_server, "POST", "/keys", session, {"name": "CI"})
    assert (status, key["use_count"]) == (201, 0)
    for _ in range(3):
        status, me = ask(any_server, "GET", "/me", key["secret"])
        assert (status, me["authenticated_by"]["id"]) == (200, key["id"])
    path = f"/authorize?team={team_id(any_server, 'Acme')}&rights=admin"
    assert ask(any_server, "GET", path, key["secret"]) == (204, None)
    assert ask(any_server, "GET", f"/keys/{key['id']}", session)[1]["use_count"] == 4
    assert ask(any_server, "DELETE", f"/keys/{key['id']}", session)[0] == 204
    status, refusal = ask(any_server, "GET", "/me", key["secret"])
    assert (status, refusal["code"]) == (401, "revoked_key")
    assert ask(any_server, "GET", path, key["secret"])[0] == 401
    assert len(ask(any_server, "GET", f"/keys/{key['id']}/uses", session)[1]["items"]) == 4


class Browser:
    """A client that follows redirects and keeps cookies and the current page."""

    def __init__(self, server: LiveServer) -> None:
        self._url = server.url
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
        self.page, self.path = Element(""), ""

    def open(self, path: str, fields: dict[str, str] | None = None) -> None:
        data = urllib.parse.urlencode(fields).encode() if fields else None
        with self._opener.open(self._url + path, data, timeout=30) as response:
            self.page, self.path = parse(response.read().decode()), urllib.parse.urlsplit(response.url).path

    def submit(self, action: str, **fields: str) -> None:
        """Submit the form with this action, with `fields` replaced."""
        [form] = [form for form in self.page.all("form") if (form["action"] or self.path) == action]
        self.open(
            action, {item["name"]: item["value"] for item in form.all("input") if item["name"]} | fields
        )


def test_pages_work(any_server):
    browser = Browser(any_server)
    browser.open("/")
    assert browser.path == "/login"
    browser.submit("/login", email="ada@acme.example", password=PASSWORD)
    browser.open("/account/api-keys")
    assert browser.path == "/account/api-keys"
    assert "API Keys" in [link.text for link in browser.page.all("a")]
    browser.open("/account/api-keys/new")
    browser.submit("/account/api-keys", name="from the page")
    assert "from the page" in browser.page.text
    [stylesheet] = [link["href"] for link in browser.page.all("link") if link["rel"] == "stylesheet"]
    with urllib.request.urlopen(any_server.url + stylesheet, timeout=30) as response:
        assert response.headers["Content-Type"].startswith("text/css")


def test_form_without_token_is_refused(any_server):
    browser = Browser(any_server)
    browser.open("/login")
    browser.submit("/login", csrf_token="", email="ada@acme.example", password=PASSWORD)
    assert "This page was open for too long" in browser.page.text
    browser.open("/account/profile")
    assert browser.path.startswith("/login")


@pytest.mark.parametrize(
    "end", [b"%ff", b"%00", b"%", b"\xff", b"?x=%ff", b"?x=%00", b"?\xff", b"?team=%00&rights=view"]
)
def test_invalid_address_causes_no_server_error(any_server, end):
    secret = log_in(any_server)
    for start in (b"/api/v1/me", b"/api/v1/authorize", b"/account/", b"/static/", b"/"):
        with connected(any_server) as raw:
            response = raw.exchange(request(start + end, Authorization=f"Bearer {secret}"))
        assert response.status < 500, (start, end)


def test_head_has_no_body(any_server):
    for path in ("/healthz", "/login"):
        with connected(any_server) as raw:
            raw.send(request(path, "HEAD", Connection="close"))
            head = raw.read(has_body=False)
            assert (head.status, raw.read_to_end()) == (200, b"")

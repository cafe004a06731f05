"""A real nginx, where there is one, with the configuration of docs/forward-auth.md in front of a service."""

import json
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers import rows
from tests.helpers.live_server import LiveServer, free_port

ROOT = Path(__file__).resolve().parents[2]
NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; {locations} }}
}}
"""
# Headers that a client could forge.
FORGED_HEADERS = {
    **{f"X-Reflow-{name}": "forged" for name in ("User", "Team", "Rights", "Key")},
    "X-Original-Method": "FORGED",
    "X-Original-URI": "/forged",
    "X-Forwarded-For": "198.51.100.66",
}

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx here")


class EchoService(BaseHTTPRequestHandler):
    """Answers with the headers that reached it."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_DELETE = do_GET

    def log_message(self, *_):
        """Stay silent."""


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """A live server behind one proxy."""
    server = LiveServer(tmp_path_factory.mktemp("proxied"), REFLOW_TRUSTED_PROXIES="1")
    server.start()
    yield server
    server.kill()


@pytest.fixture
def team(live):
    return factories.team(live.app, "Proxied", factories.person(live.app), active=True)


@pytest.fixture
def ask(live, team, tmp_path):
    """`ask(method, path, secret)`: status and JSON of a request to the service, through nginx."""
    service = ThreadingHTTPServer(("127.0.0.1", 0), EchoService)
    threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
    [locations] = re.findall(
        r"```nginx\n(.*?)```", (ROOT / "docs/forward-auth.md").read_text("utf-8"), re.DOTALL
    )
    for placeholder, value in {
        "http://the-service.example": f"http://127.0.0.1:{service.server_port}",
        "https://accounts.reflow.example": live.url,
        "team_XXXX": team.id,
    }.items():
        assert placeholder in locations
        locations = locations.replace(placeholder, value)
    port, file = free_port(), tmp_path / "nginx.conf"
    file.write_text(NGINX_CONF.format(folder=tmp_path, port=port, locations=locations))
    nginx = subprocess.Popen(["nginx", "-p", tmp_path, "-c", file], stderr=subprocess.DEVNULL)

    def ask(method, path, secret=None, body=None):
        headers = FORGED_HEADERS | ({"Authorization": f"Bearer {secret}"} if secret else {})
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.loads(response.read())
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.headers.get("WWW-Authenticate")

    _wait_for(port)
    yield ask
    nginx.terminate()
    nginx.wait()
    service.shutdown()
    service.server_close()


def _wait_for(port):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def test_key_is_accepted_and_its_owner_is_sent_to_the_service(live, team, ask):
    service_account = factories.service_account(live.app, team, "ci")
    key = service_account.key()
    status, received = ask("POST", "/runs?token=secret", key.secret, b"x" * 100_000)
    assert status == 200
    names = ("user", "team", "rights", "key")
    assert [received[f"x-reflow-{name}"] for name in names] == [service_account.id, team.id, "edit", key.id]
    assert "authorization" not in received
    assert ask("DELETE", "/runs/1", key.secret)[0] == 200
    uses = rows.uses_of(live.app, key.id)
    received = [(use.method, use.path, use.status) for use in uses]
    assert received == [("POST", "/runs", 204), ("DELETE", "/runs/1", 204)]
    assert {use.address for use in uses} == {"127.0.0.1"}


def test_session_sends_no_key_to_the_service(live, team, ask):
    person = factories.person(live.app)
    team.add(person, Rights.ADMIN)
    status, received = ask("GET", "/", person.session())
    assert (status, received["x-reflow-user"], received["x-reflow-rights"]) == (200, person.id, "admin")
    assert "x-reflow-key" not in received


def test_refusals_reach_the_client_unchanged(live, team, ask):
    viewer = factories.person(live.app)
    team.add(viewer, Rights.VIEW)
    key = viewer.key()
    assert ask("GET", "/", key.secret)[0] == 403
    assert ask("GET", "/") == (401, 'Bearer realm="reflow"')
    assert ask("GET", "/", "rfk_x")[0] == 401
    viewer.revoke(key)
    assert ask("GET", "/", key.secret)[0] == 401

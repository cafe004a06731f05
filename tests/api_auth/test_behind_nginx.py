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
AROUND = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; {locations} }}
}}
"""
# What a client may want a proxy and a service to believe.
FORGED = {
    **{f"X-Reflow-{name}": "forged" for name in ("User", "Team", "Rights", "Key")},
    "X-Original-Method": "FORGED",
    "X-Original-URI": "/forged",
    "X-Forwarded-For": "198.51.100.66",
}

pytestmark = pytest.mark.skipif(shutil.which("nginx") is None, reason="there is no nginx here")


class Service(BaseHTTPRequestHandler):
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
    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, args=(0.01,), daemon=True).start()
    [locations] = re.findall(
        r"```nginx\n(.*?)```", (ROOT / "docs/forward-auth.md").read_text("utf-8"), re.DOTALL
    )
    for written, here in {
        "http://the-service.example": f"http://127.0.0.1:{service.server_port}",
        "https://accounts.reflow.example": live.url,
        "team_XXXX": team.id,
    }.items():
        assert written in locations
        locations = locations.replace(written, here)
    port, file = free_port(), tmp_path / "nginx.conf"
    file.write_text(AROUND.format(folder=tmp_path, port=port, locations=locations))
    nginx = subprocess.Popen(["nginx", "-p", tmp_path, "-c", file], stderr=subprocess.DEVNULL)

    def ask(method, path, secret=None, body=None):
        said = FORGED | ({"Authorization": f"Bearer {secret}"} if secret else {})
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", body, said, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                return answer.status, json.loads(answer.read())
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


def test_key_opens_the_service_which_is_told_whose_it_is(live, team, ask):
    robot = factories.service_account(live.app, team, "ci")
    key = robot.key()
    status, told = ask("POST", "/runs?token=secret", key.secret, b"x" * 100_000)
    assert status == 200
    names = ("user", "team", "rights", "key")
    assert [told[f"x-reflow-{name}"] for name in names] == [robot.id, team.id, "edit", key.id]
    assert "authorization" not in told
    assert ask("DELETE", "/runs/1", key.secret)[0] == 200
    uses = rows.uses_of(live.app, key.id)
    told = [(use.method, use.path, use.status) for use in uses]
    assert told == [("POST", "/runs", 204), ("DELETE", "/runs/1", 204)]
    assert {use.address for use in uses} == {"127.0.0.1"}


def test_with_a_session_no_key_is_told_nor_believed(live, team, ask):
    person = factories.person(live.app)
    team.add(person, Rights.ADMIN)
    status, told = ask("GET", "/", person.session())
    assert (status, told["x-reflow-user"], told["x-reflow-rights"]) == (200, person.id, "admin")
    assert "x-reflow-key" not in told


def test_refusals_reach_the_client_as_they_are(live, team, ask):
    viewer = factories.person(live.app)
    team.add(viewer, Rights.VIEW)
    key = viewer.key()
    assert ask("GET", "/", key.secret)[0] == 403
    assert ask("GET", "/") == (401, 'Bearer realm="reflow"')
    assert ask("GET", "/", "rfk_x")[0] == 401
    viewer.revoke(key)
    assert ask("GET", "/", key.secret)[0] == 401

"""Breached passwords are refused: those of the offline list, and those that a service on the network lists."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reflow_accounts import config
from reflow_accounts.auth.password_policy import fault_of
from reflow_accounts.config import ConfigError
from reflow_accounts.database import db
from reflow_accounts.mail.models import OutboxMessage
from tests.helpers import rows
from tests.helpers.mailbox import Mailbox
from tests.helpers.page_client import PageClient
from tests.teams.team_actions import invite
from tests.users.signing_up import PASSWORD, sign_up

pytestmark = pytest.mark.postgresql_later

PUBLISHED = "This password was published after a break-in at another site."
COMMON = "one of the first that others would try"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
# The service would keep a request waiting for as long.
SECONDS = 20
OTHER_DIGESTS = "".join(f"{number:035X}:{number}\r\n" for number in range(800))


class RangeServer(ThreadingHTTPServer):
    """A service with the interface of https://haveibeenpwned.com/API/v3#PwnedPasswords."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond: Callable[[BaseHTTPRequestHandler], None] = lambda request: self.send(
            request, OTHER_DIGESTS
        )
        self.requests: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/range"

    def send(self, request: BaseHTTPRequestHandler, body: str, status: int = 200) -> None:
        request.send_response(status)
        request.end_headers()
        request.wfile.write(body.encode())


class _Handler(BaseHTTPRequestHandler):
    server: RangeServer

    def do_GET(self) -> None:
        self.server.requests.append((self.path, self.headers["Add-Padding"]))
        self.server.respond(self)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def running_range_server() -> Iterator[RangeServer]:
    with RangeServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def range_server() -> Iterator[RangeServer]:
    with running_range_server() as server:
        yield server


@pytest.fixture
def browser(another, range_server) -> PageClient:
    app = another(breached_passwords_url=range_server.url)
    return PageClient(app, app.response_class)


def list_password(server, count):
    server.respond = lambda request: server.send(request, f"{OTHER_DIGESTS}{DIGEST[5:]}:{count}\r\n")


@pytest.mark.parametrize("password", ["letmein123456", "Mostwanted2005", "iloveyouforever1"])
def test_password_of_the_offline_list_is_refused(password):
    assert COMMON in (fault_of(password, ()) or "")


def test_password_with_broken_characters_causes_no_error():
    assert fault_of("kettle \ud800 on the moon", ()) is None


def test_listed_password_is_refused_and_only_a_prefix_is_sent(app, browser, range_server):
    list_password(range_server, 3)
    response = sign_up(browser)
    assert response.status_code == 422
    assert PUBLISHED in response.text
    assert range_server.requests == [(f"/range/{DIGEST[:5]}", "true")]
    assert rows.count(app, OutboxMessage) == 0


def test_unlisted_password_and_padding_are_accepted(app, browser, range_server):
    assert sign_up(browser).status_code == 200
    list_password(range_server, 0)
    assert sign_up(browser).status_code == 200
    assert len(range_server.requests) == 2


def test_refused_password_is_not_looked_up(browser, range_server):
    assert sign_up(browser, password="too short").status_code == 422  # pragma: allowlist secret
    assert range_server.requests == []


def drip(request, test_is_over):
    request.send_response(200)
    request.end_headers()
    with suppress(OSError):
        for _ in range(10 * SECONDS):
            if test_is_over.wait(0.1):
                return
            request.wfile.write(b"0")


@pytest.mark.parametrize("failure", ["silent", "dripping", "error", "garbage", "gone"])
def test_failure_of_the_service_does_not_block_passwords(browser, range_server, caplog, failure):
    test_is_over = threading.Event()
    range_server.respond = {
        "silent": lambda request: test_is_over.wait(SECONDS),
        "dripping": lambda request: drip(request, test_is_over),
        "error": lambda request: range_server.send(request, OTHER_DIGESTS, 500),
        "garbage": lambda request: request.wfile.write(b"\x00\xff" * 500),
        "gone": lambda request: request.connection.close(),
    }[failure]
    started_at = time.monotonic()
    response = sign_up(browser)
    test_is_over.set()
    assert response.status_code == 200
    assert time.monotonic() - started_at < SECONDS
    assert "passwords cannot be looked up in breaches" in caplog.text
    assert PASSWORD not in caplog.text


def test_no_database_connection_is_held_during_the_look_up(cast, browser, range_server):
    checked_out = []

    def respond(request):
        with browser.application.app_context():
            checked_out.append(db.engine.pool.checkedout())
        range_server.send(request, OTHER_DIGESTS)

    range_server.respond = respond
    cast.ada.sign_in(browser)
    fields = {"current_password": cast.ada.password, "new_password": PASSWORD}
    response = browser.submit(browser.page("/account/security"), "/account/security/password", **fields)
    assert response.status_code == 303
    assert checked_out == [0]


def test_every_form_that_sets_a_password_looks_it_up(app, cast, browser, range_server):
    list_password(range_server, 1)
    mailbox = Mailbox(app)
    cast.ada.sign_in(browser)
    fields = {"current_password": cast.ada.password, "new_password": PASSWORD}
    page = browser.page("/account/security")
    assert PUBLISHED in browser.submit(page, "/account/security/password", **fields).text
    invite(browser, cast.acme, "eve@initech.example")
    [message] = mailbox.deliver()
    guest = PageClient(browser.application, browser.application.response_class)
    link = mailbox.link_in(message)
    response = guest.submit(guest.page(link), link, full_name="Eve Lund", password=PASSWORD)
    assert PUBLISHED in response.text
    guest.submit(guest.page("/forgot-password"), "/forgot-password", email=cast.ada.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    assert PUBLISHED in guest.submit(guest.page(link), link, new_password=PASSWORD).text
    command = browser.application.test_cli_runner().invoke(
        args=["users", "create", "eve@initech.example", "--name", "Eve Lund", "--password-stdin"],
        input=PASSWORD + "\n",
    )
    assert command.exit_code == 1
    assert PUBLISHED in command.output
    assert len(range_server.requests) == 4


def test_setting_is_shown_and_checked(tmp_path):
    def load(value):
        environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BREACHED_PASSWORDS_URL": value}
        return config.load(environ).masked_values()["REFLOW_BREACHED_PASSWORDS_URL"]

    assert load("") == "(no lookup)"
    assert load("https://api.pwnedpasswords.com/range/") == "https://api.pwnedpasswords.com"
    for url in ("api.pwnedpasswords.com", "http://api.pwnedpasswords.com/range/", "ftp://x/"):
        with pytest.raises(ConfigError, match=r"like https://api\.pwnedpasswords\.com/range/"):
            load(url)

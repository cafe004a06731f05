"""Breached passwords are refused: those of the offline list, and those that a service on the network knows."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from tests.teams.acts import invite
from tests.users.signing_up import PASSWORD, sign_up

pytestmark = pytest.mark.postgresql_later

PUBLISHED = "This password was published after a break-in at another site."
COMMON = "one of the first that others would try"
DIGEST = hashlib.sha1(PASSWORD.encode()).hexdigest().upper()
OTHERS = "".join(f"{number:035X}:{number}\r\n" for number in range(800))


class Ranges(ThreadingHTTPServer):
    """A service with the interface of https://haveibeenpwned.com/API/v3#PwnedPasswords."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: Callable[[BaseHTTPRequestHandler], None] = lambda request: self.send(request, OTHERS)
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/range"

    def send(self, request: BaseHTTPRequestHandler, body: str, status: int = 200) -> None:
        request.send_response(status)
        request.end_headers()
        request.wfile.write(body.encode())


class _Handler(BaseHTTPRequestHandler):
    server: Ranges

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers["Add-Padding"]))
        self.server.answer(self)

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Ranges]:
    with Ranges() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def ranges() -> Iterator[Ranges]:
    with serving() as server:
        yield server


@pytest.fixture
def browser(another, ranges) -> PageClient:
    app = another(breached_passwords_url=ranges.url)
    return PageClient(app, app.response_class)


def known(server, count):
    server.answer = lambda request: server.send(request, f"{OTHERS}{DIGEST[5:]}:{count}\r\n")


@pytest.mark.parametrize("password", ["letmein123456", "Mostwanted2005", "iloveyouforever1"])
def test_password_of_the_offline_list_is_refused(password):
    assert COMMON in (fault_of(password, ()) or "")


def test_password_with_broken_characters_is_no_error():
    assert fault_of("kettle \ud800 on the moon", ()) is None


def test_known_password_is_refused_and_only_a_prefix_is_sent(app, browser, ranges):
    known(ranges, 3)
    answer = sign_up(browser)
    assert answer.status_code == 422
    assert PUBLISHED in answer.text
    assert ranges.asked == [(f"/range/{DIGEST[:5]}", "true")]
    assert rows.count(app, OutboxMessage) == 0


def test_unknown_password_and_padding_are_accepted(app, browser, ranges):
    assert sign_up(browser).status_code == 200
    known(ranges, 0)
    assert sign_up(browser).status_code == 200
    assert len(ranges.asked) == 2


def test_refused_password_is_not_looked_up(browser, ranges):
    assert sign_up(browser, password="too short").status_code == 422  # pragma: allowlist secret
    assert ranges.asked == []


def drip(request):
    request.send_response(200)
    request.end_headers()
    try:
        for _ in range(15):
            request.wfile.write(b"0")
            time.sleep(0.1)
    except OSError:
        pass


@pytest.mark.parametrize("fault", ["silent", "dripping", "error", "garbage", "gone"])
def test_service_that_fails_lets_people_choose_a_password(browser, ranges, caplog, fault):
    ranges.answer = {
        "silent": lambda request: time.sleep(1.5),
        "dripping": drip,
        "error": lambda request: ranges.send(request, OTHERS, 500),
        "garbage": lambda request: request.wfile.write(b"\x00\xff" * 500),
        "gone": lambda request: request.connection.close(),
    }[fault]
    began = time.monotonic()
    answer = sign_up(browser)
    assert answer.status_code == 200
    assert time.monotonic() - began < 2.5
    assert "passwords cannot be looked up in breaches" in caplog.text
    assert PASSWORD not in caplog.text


def test_no_connection_to_the_database_is_held_meanwhile(cast, browser, ranges):
    held = []

    def answer(request):
        with browser.application.app_context():
            held.append(db.engine.pool.checkedout())
        ranges.send(request, OTHERS)

    ranges.answer = answer
    cast.ada.sign_in(browser)
    fields = {"current_password": cast.ada.password, "new_password": PASSWORD}
    changed = browser.submit(browser.page("/account/security"), "/account/security/password", **fields)
    assert changed.status_code == 303
    assert held == [0]


def test_every_way_to_set_a_password_looks_it_up(app, cast, browser, ranges):
    known(ranges, 1)
    mailbox = Mailbox(app)
    cast.ada.sign_in(browser)
    fields = {"current_password": cast.ada.password, "new_password": PASSWORD}
    page = browser.page("/account/security")
    assert PUBLISHED in browser.submit(page, "/account/security/password", **fields).text
    invite(browser, cast.acme, "eve@initech.example")
    [message] = mailbox.deliver()
    stranger = PageClient(browser.application, browser.application.response_class)
    link = mailbox.link_in(message)
    joined = stranger.submit(stranger.page(link), link, full_name="Eve Lund", password=PASSWORD)
    assert PUBLISHED in joined.text
    stranger.submit(stranger.page("/forgot-password"), "/forgot-password", email=cast.ada.email)
    link = mailbox.link_in(mailbox.deliver()[0])
    assert PUBLISHED in stranger.submit(stranger.page(link), link, new_password=PASSWORD).text
    command = browser.application.test_cli_runner().invoke(
        args=["users", "create", "eve@initech.example", "--name", "Eve Lund", "--password-stdin"],
        input=PASSWORD + "\n",
    )
    assert command.exit_code == 1
    assert PUBLISHED in command.output
    assert len(ranges.asked) == 4


def test_setting_is_shown_and_checked(tmp_path):
    def load(value):
        environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BREACHED_PASSWORDS_URL": value}
        return config.load(environ).masked()["REFLOW_BREACHED_PASSWORDS_URL"]

    assert load("") == "(no lookup)"
    assert load("https://api.pwnedpasswords.com/range/") == "https://api.pwnedpasswords.com"
    for wrong in ("api.pwnedpasswords.com", "http://api.pwnedpasswords.com/range/", "ftp://x/"):
        with pytest.raises(ConfigError, match=r"like https://api\.pwnedpasswords\.com/range/"):
            load(wrong)

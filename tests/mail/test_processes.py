"""Real server and worker processes send mail, also after being killed."""

import os
import signal
import subprocess
import sys
import time

import pytest

from reflow_accounts.database import db
from reflow_accounts.mail import service
from tests.helpers import databases
from tests.helpers.live_server import ROOT, LiveServer
from tests.helpers.mail_server import MailServer
from tests.helpers.waiting import wait_until
from tests.mail.conftest import Outbox

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SECONDS = 30
KILLS, MESSAGES = 4, 12


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path):
    """A server that is not started yet, so that settings can be added."""
    url = request.getfixturevalue("postgres").make_database("mail") if request.param == "postgresql" else ""
    live = LiveServer(tmp_path, url)
    yield live
    live.kill()
    databases.close(live.app)


@pytest.fixture
def mail(server):
    """The mail server of `server`."""
    mail = MailServer().start()
    server.environ["REFLOW_MAIL_URL"] = mail.url()
    yield mail
    mail.stop()


@pytest.fixture
def worker(server):
    """`worker()` starts a process that sends the mail of `server`, which need not run."""
    started = []

    def start() -> subprocess.Popen[bytes]:
        databases.migrate(server.app)
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "mail-worker"],
            cwd=ROOT,
            env=os.environ | server.environ,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_server_writes_mail_files_and_ends_at_sigterm(server):
    server.start()
    outbox = Outbox(server.app)
    outbox.post()
    wait_until(lambda: outbox.row().done_at)
    [file] = (server.log.parent / "outbox").glob("*.eml")
    assert str(file) in server.log.read_text()
    # Without a base URL links use the address of the server.
    assert f"127.0.0.1:{server.port}/" in file.read_text()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SECONDS) == 0


def test_workers_send_mail_instead_of_the_server(server, mail, worker):
    server.environ["REFLOW_MAIL_SENDER"] = "worker"
    server.start()
    outbox = Outbox(server.app)
    outbox.post()
    process = worker()
    wait_until(lambda: outbox.row().done_at)
    assert outbox.row().tries == 1
    process.send_signal(signal.SIGTERM)
    assert process.wait(SECONDS) == 0
    assert len(mail.received) == 1


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_worker_ends_after_the_current_message(server, mail, worker, signal_number):
    mail.handler.may_answer.clear()
    process = worker()
    outbox = Outbox(server.app)
    outbox.post()
    outbox.post()
    assert mail.handler.has_message.wait(SECONDS)
    process.send_signal(signal_number)
    mail.handler.may_answer.set()
    assert process.wait(SECONDS) == 0
    assert [bool(row.done_at) for row in outbox.rows()] == [True, False]


def test_message_of_a_killed_server_is_sent_by_the_next(server, mail):
    mail.handler.may_answer.clear()
    server.start()
    outbox = Outbox(server.app)
    outbox.post()
    assert mail.handler.has_message.wait(SECONDS)
    server.kill()
    mail.handler.may_answer.set()
    assert not outbox.row().done_at
    server.start()
    # The claim of the killed process must end first; this makes it end.
    outbox.let_time_pass()
    wait_until(lambda: outbox.row().done_at)
    assert len(mail.received) == 2
    assert len({received.message["Message-ID"] for received in mail.received}) == 1


def test_repeated_kills_lose_no_message(server, mail):
    server.start()
    outbox = Outbox(server.app)
    recipients = [f"person{signal_number}@example.com" for signal_number in range(KILLS * MESSAGES)]
    for round_ in range(KILLS):
        for recipient in recipients[round_ * MESSAGES : (round_ + 1) * MESSAGES]:
            outbox.post(to=recipient)
        wait_until(lambda round_=round_: len(mail.received) >= round_ * MESSAGES + MESSAGES // 3)
        server.restart()
    outbox.let_time_pass()
    wait_until(lambda: all(row.done_at for row in outbox.rows()))
    assert {received.to for received in mail.received} == set(recipients)
    assert not [row for row in outbox.rows() if row.failure]


def test_processes_of_one_server_send_each_message_once(server, mail):
    server.start()
    outbox = Outbox(server.app)
    recipients = [f"person{signal_number}@example.com" for signal_number in range(40)]
    with server.app.app_context():
        for recipient in recipients:
            service.post("trial", recipient)
        db.session.commit()
    wait_until(lambda: all(row.done_at for row in outbox.rows()))
    assert sorted(received.to for received in mail.received) == sorted(recipients)


def test_hanging_mail_server_does_not_block_requests(server, mail):
    from statistics import median

    from tests.crash.load import ask, log_in

    server.start()
    session = log_in(server)

    def response_times() -> list[float]:
        durations = []
        for _ in range(100):
            before = time.perf_counter()
            assert ask(server, "GET", "/me", session)[0] == 200
            durations.append(time.perf_counter() - before)
        return durations

    normal = median(response_times())
    mail.handler.may_answer.clear()
    outbox = Outbox(server.app)
    for _ in range(5):
        outbox.post()
    assert mail.handler.has_message.wait(SECONDS)
    assert median(response_times()) < normal * 1.5 + 0.002
    mail.handler.may_answer.set()
    wait_until(lambda: all(row.done_at for row in outbox.rows()))

"""Real server and worker processes send mail, also after being killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from reflow_accounts.database import db
from reflow_accounts.mail import service
from tests.helpers import databases
from tests.helpers.live_server import ROOT, LiveServer
from tests.helpers.mail_server import MailServer
from tests.mail.conftest import Outbox

pytestmark = [pytest.mark.slow, pytest.mark.alone]

SECONDS = 30
KILLS, MESSAGES = 4, 12


def eventually(is_so: Callable[[], object]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture(params=["sqlite", "postgresql"])
def server(request, tmp_path):
    """A server that is not started yet; it may be given settings."""
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
    begun = []

    def start() -> subprocess.Popen[bytes]:
        databases.migrate(server.app)
        process = subprocess.Popen(
            [sys.executable, "-m", "flask", "--app", "wsgi", "mail-worker"],
            cwd=ROOT,
            env=os.environ | server.environ,
            stderr=subprocess.PIPE,
        )
        begun.append(process)
        return process

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def test_server_sends_into_files_and_ends_when_it_is_told(server):
    server.start()
    outbox = Outbox(server.app)
    outbox.post()
    eventually(lambda: outbox.row().done_at)
    [file] = (server.log.parent / "outbox").glob("*.eml")
    assert str(file) in server.log.read_text()
    # Without a base URL the links lead to where it listens.
    assert f"127.0.0.1:{server.port}/" in file.read_text()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SECONDS) == 0


def test_with_workers_the_server_leaves_the_mail_to_them(server, mail, worker):
    server.environ["REFLOW_MAIL_SENDER"] = "worker"
    server.start()
    outbox = Outbox(server.app)
    outbox.post()
    working = worker()
    eventually(lambda: outbox.row().done_at)
    assert outbox.row().tries == 1
    working.send_signal(signal.SIGTERM)
    assert working.wait(SECONDS) == 0
    assert len(mail.taken) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_worker_ends_after_the_message_in_hand(server, mail, worker, number):
    mail.handler.may_answer.clear()
    working = worker()
    outbox = Outbox(server.app)
    outbox.post()
    outbox.post()
    assert mail.handler.has_message.wait(SECONDS)
    working.send_signal(number)
    mail.handler.may_answer.set()
    assert working.wait(SECONDS) == 0
    assert [bool(row.done_at) for row in outbox.rows()] == [True, False]


def test_message_in_hand_of_a_server_that_is_killed_is_sent_by_the_next(server, mail):
    mail.handler.may_answer.clear()
    server.start()
    outbox = Outbox(server.app)
    outbox.post()
    assert mail.handler.has_message.wait(SECONDS)
    server.kill()
    mail.handler.may_answer.set()
    assert not outbox.row().done_at
    server.start()
    # Nobody takes it before the claim of the dead has ended; here that has just happened.
    outbox.let_time_pass()
    eventually(lambda: outbox.row().done_at)
    assert len(mail.taken) == 2
    assert len({taken.message["Message-ID"] for taken in mail.taken}) == 1


def test_nothing_is_lost_when_servers_are_killed_again_and_again(server, mail):
    server.start()
    outbox = Outbox(server.app)
    people = [f"person{number}@example.com" for number in range(KILLS * MESSAGES)]
    for round_ in range(KILLS):
        for person in people[round_ * MESSAGES : (round_ + 1) * MESSAGES]:
            outbox.post(to=person)
        eventually(lambda round_=round_: len(mail.taken) >= round_ * MESSAGES + MESSAGES // 3)
        server.restart()
    outbox.let_time_pass()
    eventually(lambda: all(row.done_at for row in outbox.rows()))
    assert {taken.to for taken in mail.taken} == set(people)
    assert not [row for row in outbox.rows() if row.failure]


def test_processes_of_one_server_send_each_message_once(server, mail):
    server.start()
    outbox = Outbox(server.app)
    people = [f"person{number}@example.com" for number in range(40)]
    with server.app.app_context():
        for person in people:
            service.post("trial", person)
        db.session.commit()
    eventually(lambda: all(row.done_at for row in outbox.rows()))
    assert sorted(taken.to for taken in mail.taken) == sorted(people)


def test_hanging_mail_server_does_not_block_requests(server, mail):
    from statistics import median

    from tests.crash.load import ask, log_in

    server.start()
    session = log_in(server)

    def times() -> list[float]:
        found = []
        for _ in range(100):
            before = time.perf_counter()
            assert ask(server, "GET", "/me", session)[0] == 200
            found.append(time.perf_counter() - before)
        return found

    quiet = median(times())
    mail.handler.may_answer.clear()
    outbox = Outbox(server.app)
    for _ in range(5):
        outbox.post()
    assert mail.handler.has_message.wait(SECONDS)
    assert median(times()) < quiet * 1.5 + 0.002
    mail.handler.may_answer.set()
    eventually(lambda: all(row.done_at for row in outbox.rows()))

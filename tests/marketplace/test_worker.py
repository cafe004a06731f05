"""The worker process: commit before delete, malformed messages, unavailable AWS, SIGTERM, SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from reflow_accounts.marketplace import aws_client as boto
from reflow_accounts.marketplace.models import MarketplaceEvent
from reflow_accounts.subscriptions.models import LicenceState
from tests.helpers import rows
from tests.helpers.aws import event
from tests.helpers.live_server import ROOT, SECRET_KEY
from tests.helpers.mailbox import Mailbox
from tests.subscriptions.facts import buy, history_of, subjects

pytestmark = pytest.mark.postgresql_later

SECONDS = 60


@pytest.fixture
def work(app, aws) -> Iterator[Callable[..., subprocess.Popen]]:
    """`work()`: start a worker on the test's database; `work(NAME=…)` with more in its environment."""
    settings = app.config["SETTINGS"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REFLOW_")}
    environ |= aws.environ | {
        "REFLOW_INSTANCE": str(settings.instance),
        "REFLOW_DATABASE_URL": settings.database_url,
        "REFLOW_SECRET_KEY": SECRET_KEY,
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    started = []

    def start(**more: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "flask", "--app", "wsgi", "marketplace-worker"]
        started.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environ | more,
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(is_true: Callable[[], object]) -> None:
    deadline = time.monotonic() + SECONDS
    while not is_true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.05)


def test_worker_ingests_then_deletes_and_stops_on_sigterm(app, aws, work, cast):
    buy(cast.solo, LicenceState.PENDING)
    aws.longest_poll = 20
    aws.send(event("License Updated", "l-1", "agmt-1"))
    worker = work()
    until(lambda: not aws.queue)
    assert history_of(cast.solo)[-1][1:] == ("aws", "inactive", "active")
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    words, _ = worker.communicate(timeout=SECONDS)
    # The poll would have waited for 20 seconds.
    assert time.monotonic() - began < 10
    assert worker.returncode == 0
    assert "ingested License Updated" in words
    assert "Traceback" not in words


@pytest.mark.slow
def test_sigterm_right_after_start_ends_it_at_once(aws, work):
    aws.longest_poll = 20
    worker = work()
    assert "Waiting for events" in next(line for line in worker.stdout if "Waiting" in line)
    worker.send_signal(signal.SIGTERM)
    # Well before the poll of 20 seconds would end, and before the 10 that containers are given.
    words, _ = worker.communicate(timeout=8)
    assert worker.returncode == 0
    assert "Traceback" not in words


@pytest.mark.slow
def test_sigterm_ends_it_during_back_off(aws, work):
    aws.errors["ReceiveMessage"] = "ServiceUnavailable"
    worker = work()
    assert "retries" in next(line for line in worker.stdout if "retries" in line)
    worker.send_signal(signal.SIGTERM)
    words, _ = worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0
    assert "Traceback" not in words


def test_malformed_message_stays_for_the_dead_letter_queue(app, aws, work):
    aws.hidden = 0.1
    strange = event("Purchase Agreement Created", "", "agmt-1", previousAgreementId="\ud800")
    aws.send("poison", strange, event("License Updated", "l-1", "agmt-1"))
    worker = work()
    until(lambda: [one.body for one in aws.dead] == ["poison", strange])
    until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 1
    assert worker.poll() is None


@pytest.mark.slow
def test_worker_survives_unavailable_aws(app, aws, work):
    aws.errors["ReceiveMessage"] = "ServiceUnavailable"
    aws.send(event("License Updated", "l-1", "agmt-1"))
    worker = work()
    until(lambda: aws.asked.count("ReceiveMessage") >= 2)
    assert worker.poll() is None
    assert aws.queue
    aws.errors.clear()
    until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        ("text/html", b"<title>Welcome</title>"),
        pytest.param(("application/json", b"{}"), marks=pytest.mark.slow),
        pytest.param(("text/json", b"[]"), marks=pytest.mark.slow),
    ],
)
def test_answer_of_another_server_is_a_failure(aws, work, answer):
    aws.another_server = answer
    worker = work()
    [line] = islice((line for line in worker.stdout if "retries" in line), 1)
    assert "not one of SQS. Check REFLOW_AWS_SQS_ENDPOINT" in line
    asked = len(aws.asked)
    time.sleep(0.5)
    assert (len(aws.asked), worker.poll()) == (asked, None)


def test_unavailable_database_leaves_messages_in_the_queue(aws, work):
    aws.send(event("License Updated", "l-1", "agmt-1"))
    worker = work(REFLOW_DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:1/none")
    line = next(line for line in worker.stdout if "retries" in line)
    assert "the database cannot be opened (connection failed: " in line
    assert "Check that it answers, and REFLOW_DATABASE_URL" in line
    # Each time it is received counts towards the dead-letter queue.
    assert aws.asked == []


@pytest.mark.slow
def test_kill_between_commit_and_delete_repeats_nothing(app, aws, work, cast):
    buy(cast.solo, LicenceState.PENDING)
    mailbox = Mailbox(app)
    aws.hidden = 0.5
    aws.errors["DeleteMessage"] = "ServiceUnavailable"
    aws.most_receives = 1000
    aws.send(event("License Updated", "l-1", "agmt-1"))
    first = work()
    # The message is committed, and its deletion is refused until the process is dead.
    until(lambda: "DeleteMessage" in aws.asked)
    first.kill()
    first.wait()
    assert rows.count(app, MarketplaceEvent) == 1
    assert aws.queue
    aws.errors.clear()
    work()
    until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 1
    assert len(history_of(cast.solo)) == 1
    assert subjects(mailbox) == [(cast.nina.email, "The subscription of Solo is active")]


@pytest.mark.slow
def test_two_workers_ingest_each_event_once(app, aws, work, cast):
    buy(cast.solo, LicenceState.PENDING)
    # Long enough that a busy machine deletes in time; the copies meet all the same.
    aws.hidden = 1
    aws.most_receives = 1000
    updated = event("License Updated", "l-1", "agmt-1")
    aws.send(*[updated] * 10, *(event("License Updated", f"l-{n}", f"agmt-{n}") for n in range(2, 12)))
    for _ in range(2):
        work()
    until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 11
    assert len(history_of(cast.solo)) == 1


def test_missing_settings_are_named(flask):
    code, words = flask("marketplace-worker")
    assert code == 1
    assert "REFLOW_AWS_QUEUE_URL" in words
    assert flask("marketplace-reconcile")[0] == 1
    assert "REFLOW_AWS_QUEUE_URL=(not set): marketplace-worker has nothing to read" in flask("config")[1]


def test_customer_is_resolved_and_refusals_repeat_nothing_of_the_token(aws):
    token = aws.sell("l-1", "agmt-1")
    found = boto.resolve_customer(aws.settings, token)
    assert (found.licence_key, found.agreement_id, found.aws_account) == ("l-1", "agmt-1", "123456789012")
    for code, kind in {
        "ExpiredTokenException": boto.TokenExpired,
        "InvalidTokenException": boto.TokenInvalid,
        "DisabledApiException": boto.Disabled,
        "ThrottlingException": boto.AwsAway,
    }.items():
        aws.errors["ResolveCustomer"] = code
        with pytest.raises(kind) as refused:
            boto.resolve_customer(aws.settings, token)
        assert token not in str(refused.value)
        assert refused.value.__cause__ is None


def test_web_worker_does_not_import_boto3():
    code = "import sys, wsgi; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    environ = {"PATH": os.environ["PATH"], "REFLOW_SECRET_KEY": SECRET_KEY}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=False).returncode == 0

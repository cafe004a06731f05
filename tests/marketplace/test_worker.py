"""The worker process: commit before delete, malformed messages, unavailable AWS, SIGTERM, SIGKILL."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import pytest

from reflow_accounts.marketplace import aws_client as boto
from reflow_accounts.marketplace.models import MarketplaceEvent
from reflow_accounts.subscriptions.models import LicenceState
from tests.helpers import rows, waiting
from tests.helpers.aws import event
from tests.helpers.live_server import ROOT, SECRET_KEY
from tests.helpers.mailbox import Mailbox
from tests.subscriptions.facts import buy, delivered_subjects, history_of

pytestmark = pytest.mark.postgresql_later

SECONDS = 60
wait_until = partial(waiting.wait_until, seconds=SECONDS)


@pytest.fixture
def start_worker(app, aws) -> Iterator[Callable[..., subprocess.Popen]]:
    """`start_worker(NAME=…)`: start a worker on the test's database, with these variables."""
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


def test_worker_deletes_after_ingesting_and_stops_at_sigterm(app, aws, start_worker, cast):
    buy(cast.solo, LicenceState.PENDING)
    aws.longest_poll = 20
    aws.send(event("License Updated", "l-1", "agmt-1"))
    worker = start_worker()
    wait_until(lambda: not aws.queue)
    assert history_of(cast.solo)[-1][1:] == ("aws", "inactive", "active")
    started_at = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=SECONDS)
    # The poll would have waited for 20 seconds.
    assert time.monotonic() - started_at < 10
    assert worker.returncode == 0
    assert "ingested License Updated" in output
    assert "Traceback" not in output


@pytest.mark.slow
def test_worker_stops_at_sigterm_right_after_its_start(aws, start_worker):
    aws.longest_poll = 20
    worker = start_worker()
    assert "Waiting for events" in next(line for line in worker.stdout if "Waiting" in line)
    worker.send_signal(signal.SIGTERM)
    # Before the end of the poll (20 seconds), and within the 10 seconds that containers get.
    output, _ = worker.communicate(timeout=8)
    assert worker.returncode == 0
    assert "Traceback" not in output


@pytest.mark.slow
def test_worker_stops_at_sigterm_during_back_off(aws, start_worker):
    aws.errors["ReceiveMessage"] = "ServiceUnavailable"
    worker = start_worker()
    assert "retries" in next(line for line in worker.stdout if "retries" in line)
    worker.send_signal(signal.SIGTERM)
    output, _ = worker.communicate(timeout=SECONDS)
    assert worker.returncode == 0
    assert "Traceback" not in output


def test_malformed_message_is_left_for_the_dead_letter_queue(app, aws, start_worker):
    aws.hidden = 0.1
    malformed = event("Purchase Agreement Created", "", "agmt-1", previousAgreementId="\ud800")
    aws.send("poison", malformed, event("License Updated", "l-1", "agmt-1"))
    worker = start_worker()
    wait_until(lambda: [message.body for message in aws.dead] == ["poison", malformed])
    wait_until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 1
    assert worker.poll() is None


@pytest.mark.slow
def test_worker_survives_unavailable_aws(app, aws, start_worker):
    aws.errors["ReceiveMessage"] = "ServiceUnavailable"
    aws.send(event("License Updated", "l-1", "agmt-1"))
    worker = start_worker()
    wait_until(lambda: aws.requests.count("ReceiveMessage") >= 2)
    assert worker.poll() is None
    assert aws.queue
    aws.errors.clear()
    wait_until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 1


@pytest.mark.parametrize(
    "response",
    [
        ("text/html", b"<title>Welcome</title>"),
        pytest.param(("application/json", b"{}"), marks=pytest.mark.slow),
        pytest.param(("text/json", b"[]"), marks=pytest.mark.slow),
    ],
)
def test_response_of_another_server_is_an_error(aws, start_worker, response):
    aws.another_server = response
    worker = start_worker()
    [line] = islice((line for line in worker.stdout if "retries" in line), 1)
    assert "not one of SQS. Check REFLOW_AWS_SQS_ENDPOINT" in line
    request_count = len(aws.requests)
    time.sleep(0.5)
    assert (len(aws.requests), worker.poll()) == (request_count, None)


def test_unavailable_database_leaves_messages_in_the_queue(aws, start_worker):
    aws.send(event("License Updated", "l-1", "agmt-1"))
    worker = start_worker(REFLOW_DATABASE_URL="postgresql://nobody:nothing@127.0.0.1:1/none")
    line = next(line for line in worker.stdout if "retries" in line)
    assert "the database cannot be opened (connection failed: " in line
    assert "Check that it answers, and REFLOW_DATABASE_URL" in line
    # Each time it is received counts towards the dead-letter queue.
    assert aws.requests == []


@pytest.mark.slow
def test_kill_between_commit_and_delete_causes_no_duplicate(app, aws, start_worker, cast):
    buy(cast.solo, LicenceState.PENDING)
    mailbox = Mailbox(app)
    aws.hidden = 0.5
    aws.errors["DeleteMessage"] = "ServiceUnavailable"
    aws.most_receives = 1000
    aws.send(event("License Updated", "l-1", "agmt-1"))
    first = start_worker()
    # The message is committed, and its deletion is refused until the process is dead.
    wait_until(lambda: "DeleteMessage" in aws.requests)
    first.kill()
    first.wait()
    assert rows.count(app, MarketplaceEvent) == 1
    assert aws.queue
    aws.errors.clear()
    start_worker()
    wait_until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 1
    assert len(history_of(cast.solo)) == 1
    assert delivered_subjects(mailbox) == [(cast.nina.email, "The subscription of Solo is active")]


@pytest.mark.slow
def test_two_workers_ingest_each_event_once(app, aws, start_worker, cast):
    buy(cast.solo, LicenceState.PENDING)
    # Long enough for a busy machine to delete a message; copies still overlap.
    aws.hidden = 1
    aws.most_receives = 1000
    updated = event("License Updated", "l-1", "agmt-1")
    aws.send(*[updated] * 10, *(event("License Updated", f"l-{n}", f"agmt-{n}") for n in range(2, 12)))
    for _ in range(2):
        start_worker()
    wait_until(lambda: not aws.queue)
    assert rows.count(app, MarketplaceEvent) == 11
    assert len(history_of(cast.solo)) == 1


def test_missing_settings_are_named(flask):
    code, output = flask("marketplace-worker")
    assert code == 1
    assert "REFLOW_AWS_QUEUE_URL" in output
    assert flask("marketplace-reconcile")[0] == 1
    assert "REFLOW_AWS_QUEUE_URL=(not set): marketplace-worker has nothing to read" in flask("config")[1]


def test_refusal_of_a_token_does_not_contain_it(aws):
    token = aws.sell("l-1", "agmt-1")
    customer = boto.resolve_customer(aws.settings, token)
    assert (customer.licence_key, customer.agreement_id, customer.aws_account) == (
        "l-1",
        "agmt-1",
        "123456789012",
    )
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

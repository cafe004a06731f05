"""Retries: short delays are waited for and announced, long ones end the command."""

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.cli.fake_clock import without_sleep
from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.faulty_proxy import FaultyProxy, cut_after, reset_after, says, says_raw
from tests.helpers.live_server import free_port

PROBLEM = {"title": "No", "detail": "Too much."}
READING = [("whoami",), ("keys", "list"), ("api", "GET", "/keys")]


def refuses(status: int, code: str, **headers: str):
    body = json.dumps({**PROBLEM, "status": status, "code": code}).encode()
    return says(f"{status} No", body, Content_Type="application/problem+json", **headers)


def too_many(after: object = 7):
    return refuses(429, "rate_limited", **({} if after is None else {"Retry_After": str(after)}))


def unavailable(after: object = None):
    return refuses(503, "unavailable", **({} if after is None else {"Retry_After": str(after)}))


@pytest.fixture
def listener_proxy(live):
    proxy = FaultyProxy(live.url)
    yield proxy
    proxy.close()


@pytest.fixture
def waiting(keyed_terminal, listener_proxy):
    """The terminal before a faulty proxy; what it waits for is over at once."""
    keyed_terminal.environ["REFLOW_SERVER"] = listener_proxy.url
    without_sleep(keyed_terminal)
    return keyed_terminal


def test_wait_takes_as_long_as_the_server_asks(keyed_terminal, listener_proxy):
    keyed_terminal.environ["REFLOW_SERVER"] = listener_proxy.url
    listener_proxy.faults = [too_many(1)]
    started = datetime.now(UTC)

    assert keyed_terminal.run("whoami").code == 0
    assert datetime.now(UTC) - started >= timedelta(seconds=1)


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_short_wait_is_announced(waiting, listener_proxy, words):
    listener_proxy.faults = [too_many(7), too_many(60 - 7)]

    outcome = waiting.run(*words)

    assert outcome.code == 0, outcome.stderr
    assert "Trying again in 7 s." in outcome.stderr
    assert "Trying again in 53 s." in outcome.stderr
    assert outcome.stderr.count("Trying again") == 2


def test_quiet_option_waits_silently(waiting, listener_proxy):
    listener_proxy.faults = [too_many()]

    outcome = waiting.run("--quiet", "whoami")

    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize(
    "fault", [too_many(1), too_many(None), unavailable(), says("502 No"), says("504 No")]
)
def test_second_repeat_is_the_last(waiting, listener_proxy, fault):
    listener_proxy.always = fault

    outcome = waiting.run("whoami")

    assert outcome.code == 7
    assert len(listener_proxy.seen) == 3
    assert outcome.stderr.count("Trying again") == 2


@pytest.mark.parametrize("fault", [reset_after(0), says_raw(b"")])
def test_broken_connection_is_repeated(waiting, listener_proxy, fault):
    listener_proxy.faults = [fault, fault]

    outcome = waiting.run("whoami")

    assert outcome.code == 0, outcome.stderr
    assert len(listener_proxy.seen) == 3
    assert "cannot be reached just now. Trying again in" in outcome.stderr


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_answer_that_is_cut_off_is_repeated(waiting, listener_proxy, words):
    listener_proxy.faults = [cut_after(20), cut_after(0)]

    outcome = waiting.run(*words)

    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr.count("cannot be reached just now. Trying again in") == 2


def test_refused_connection_is_repeated(waiting):
    waiting.environ["REFLOW_SERVER"] = f"http://127.0.0.1:{free_port()}"

    outcome = waiting.run("whoami")

    assert outcome.code == 7
    assert outcome.stderr.count("Trying again in") == 2


def test_all_waits_together_last_no_longer_than_a_minute(waiting, listener_proxy):
    listener_proxy.always = too_many(25)

    outcome = waiting.run("whoami")

    assert outcome.code == 7
    assert len(listener_proxy.seen) == 3


TOO_LONG = {"61": "61 s", "600": "10 minutes", "86400": "24 hours", "600000": "7 days", "9" * 5000: "days"}


@pytest.mark.parametrize(("after", "words"), TOO_LONG.items(), ids=["61", "600", "86400", "600000", "huge"])
@pytest.mark.parametrize("refusal", [too_many, unavailable])
def test_long_wait_ends_the_command_and_is_named(waiting, listener_proxy, refusal, after, words):
    listener_proxy.always = refusal(after)

    outcome = waiting.run("whoami")

    assert outcome.code == 7
    assert len(listener_proxy.seen) == 1
    assert "Try again in" in outcome.stderr
    assert words in outcome.stderr


@pytest.mark.parametrize("wait", ["2 minutes", "a few seconds"])
def test_wait_that_the_server_names_is_not_named_again(listener_terminal, listener, wait):
    listener_terminal.environ["REFLOW_API_KEY"] = made_up_key()
    problem = {"code": "rate_limited", "status": 429, "detail": f"Not now. Try again in {wait}."}
    listener.respond("GET", "/me", problem, 429, **{"Retry-After": "106"})

    assert listener_terminal.run("whoami").stderr == f"reflow: Not now. Try again in {wait}.\n"


@pytest.mark.parametrize("after", ["", "soon", "-1", "1.5", "٣", "7 7", "Mon, 99 Foo 2026 00:00:00 GMT"])
def test_unreadable_wait_counts_as_none(waiting, listener_proxy, after):
    listener_proxy.faults = [too_many(after)]

    outcome = waiting.run("whoami")

    assert outcome.code == 0
    assert "Trying again in 1 s." in outcome.stderr


def _date(seconds: int, off: timedelta) -> str:
    return format_datetime(datetime.now(UTC) + off + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize("off", [timedelta(), timedelta(days=-400), timedelta(hours=5)])
def test_date_is_read_by_the_clock_of_the_server(waiting, listener_proxy, off):
    dates = {"Date": _date(0, off), "Retry_After": _date(30, off)}
    listener_proxy.faults = [refuses(429, "rate_limited", **dates)]

    outcome = waiting.run("whoami")

    assert outcome.code == 0, outcome.stderr
    assert any(f"Trying again in {seconds} s." in outcome.stderr for seconds in (29, 30, 31))


def test_date_is_read_by_our_clock_without_that_of_the_server(waiting, listener_proxy):
    listener_proxy.faults = [refuses(429, "rate_limited", Retry_After=_date(-100, timedelta()))]

    assert "Trying again in 0 s." in waiting.run("whoami").stderr


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_safe_request_is_retried_twice(waiting, listener_proxy, words):
    listener_proxy.faults = [unavailable(), unavailable(2)]

    outcome = waiting.run(*words)

    assert outcome.code == 0, outcome.stderr
    assert "is not available just now (status 503). Trying again in 1 s." in outcome.stderr
    assert "Trying again in 2 s." in outcome.stderr


def test_unavailable_server_is_given_up(waiting, listener_proxy):
    listener_proxy.always = unavailable()

    outcome = waiting.run("whoami")

    assert outcome.code == 7
    assert len(listener_proxy.seen) == 3
    assert "reflow: Too much." in outcome.stderr


def test_gateway_error_is_retried(waiting, listener_proxy):
    listener_proxy.faults = [says("503 Service Unavailable", b"<h1>Soon</h1>", Content_Type="text/html")]

    assert waiting.run("whoami").code == 0


WRITING = [
    ("api", "POST", "/keys", "-f", "name=x"),
    ("api", "PUT", "/me"),
    ("api", "PATCH", "/keys/x", "-f", "name=x"),
    ("api", "DELETE", "/keys/x"),
    ("keys", "create", "x"),
]


@pytest.mark.parametrize("words", WRITING, ids=" ".join)
@pytest.mark.parametrize("fault", [unavailable(), unavailable(1), too_many(1), cut_after(1)])
def test_unsafe_request_is_never_retried(waiting, listener_proxy, words, fault):
    listener_proxy.always = fault

    outcome = waiting.run(*words)

    assert outcome.code == 7
    assert len(listener_proxy.seen) == 1


@pytest.mark.parametrize("status", ["500 No", "408 No"])
def test_other_errors_are_not_retried(waiting, listener_proxy, status):
    listener_proxy.always = says(status, Retry_After="1")

    waiting.run("whoami")

    assert len(listener_proxy.seen) == 1


def test_ctrl_c_ends_a_wait(keyed_terminal, listener_proxy):
    listener_proxy.always = too_many(60)
    keyed_terminal.environ["REFLOW_SERVER"] = listener_proxy.url
    with subprocess.Popen(
        [*keyed_terminal.command, "whoami"],
        env=keyed_terminal.environ,
        stderr=subprocess.PIPE,
        text=True,
        # A test worker ignores it, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        assert "Trying again in 60 s." in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert process.returncode == 130
    assert rest == "reflow: interrupted.\n"

"""A login whose answer is lost: the user is told where to end the session."""

import signal
import subprocess
import threading

import pytest

from tests import factories
from tests.cli.account import PASSWORD
from tests.cli.folders import login
from tests.cli.secrets_for_tests import made_up_session
from tests.cli.terminal import CTRL_C
from tests.helpers.faulty_proxy import at, cut_after, reset_after, says, silence
from tests.helpers.live_server import free_port

HINT = "If a session was started, end it in Account > Security."
CODES = {"device_code": "the-device-code", "user_code": "BCDF-GHJK", "expires_in": 600, "interval": 1}


@pytest.fixture
def person(live):
    return factories.person(live.app)


@pytest.fixture
def words(person):
    return "login", "--with-password", "--email", person.email


@pytest.mark.parametrize("fault", [reset_after(0), cut_after(5)], ids=["reset", "cut off"])
def test_lost_answer_to_a_password_is_explained(proxied_terminal, words, fault):
    proxied_terminal.proxy.always = at("POST /api/v1/sessions", fault)

    outcome = proxied_terminal.run(*words, stdin=PASSWORD)

    assert outcome.code == 7
    assert outcome.stderr.endswith(f"\n{HINT}\n")
    assert not (proxied_terminal.home / ".reflow" / "session.json").exists()


@pytest.mark.parametrize("why", ["nobody there", "wrong password"])
def test_refused_login_mentions_no_session(live_terminal, words, why):
    if why == "nobody there":
        live_terminal.environ["REFLOW_SERVER"] = f"http://127.0.0.1:{free_port()}"

    outcome = live_terminal.run(*words, stdin="not the password")

    assert outcome.code == (7 if why == "nobody there" else 4)
    assert "session was started" not in outcome.stderr


def test_ctrl_c_after_the_password_is_explained(proxied_terminal, words):
    arrived = threading.Event()

    def hold(exchange) -> None:
        exchange.answer()
        arrived.set()
        silence(exchange)

    proxied_terminal.proxy.always = hold
    with subprocess.Popen(
        [*proxied_terminal.command, *words],
        env=proxied_terminal.environ,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test worker ignores it, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        process.stdin.write(PASSWORD)
        process.stdin.close()
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()

    assert process.returncode == 130
    assert said == f"{HINT}\nreflow: interrupted.\n"


@pytest.fixture
def codes(listener_terminal, listener_proxy, listener):
    """A loopback server that hands out codes, behind the faulty proxy."""
    listener_terminal.environ["REFLOW_SERVER"] = listener_proxy.url
    page = {"verification_uri": f"{listener_proxy.url}/device"}
    listener.respond("POST", "/device/code", CODES | page)
    return page


def test_ctrl_c_during_browser_login_is_explained(listener_terminal, listener_proxy, codes):
    listener_proxy.always = at("POST /api/v1/device/token", silence)

    outcome = listener_terminal.run_interactively("login", answers=(("Still waiting for", CTRL_C),))

    assert outcome.code == 130
    assert HINT in outcome.stdout


def test_lost_answer_to_a_browser_login_is_explained(listener_terminal, listener_proxy, listener, codes):
    listener.respond("POST", "/device/code", CODES | codes | {"expires_in": 2})
    listener_proxy.always = at("POST /api/v1/device/token", says("502 Bad Gateway"))

    outcome = listener_terminal.run_interactively("login")

    assert outcome.code == 7
    assert HINT in outcome.stdout


def test_ctrl_c_before_a_request_mentions_no_session(listener_terminal, codes):
    outcome = listener_terminal.run_interactively("login", answers=(("Waiting", CTRL_C),))

    assert outcome.code == 130
    assert HINT not in outcome.stdout


def test_earlier_session_that_cannot_be_ended_is_named(proxied_terminal, words):
    login(proxied_terminal.home, proxied_terminal.proxy.url, made_up_session())
    proxied_terminal.proxy.always = at("DELETE", says("503 Away"))

    outcome = proxied_terminal.run(*words, stdin=PASSWORD)

    assert outcome.code == 0
    assert "The login before this one could not be ended at" in outcome.stderr

"""Faults between the command and a real server: exit 7 and what to do next."""

import json
from datetime import timedelta

import pytest

from tests.cli.fake_clock import with_short_timeouts, without_sleep
from tests.helpers.certificates import certificate, server_context
from tests.helpers.faulty_proxy import (
    FaultyProxy,
    cut_after,
    drip,
    pass_on,
    reset_after,
    says,
    says_raw,
    silence,
)

COMMANDS = {
    "whoami": ("whoami",),
    "keys list": ("keys", "list"),
    "keys revoke": ("keys", "revoke", "no such key"),
    "activity": ("activity",),
    "api": ("api", "GET", "/me"),
    "team list": ("team", "list"),
}
PORTAL = b"<html><h1>Welcome to the hotel</h1></html>"


@pytest.fixture
def between(live):
    """A faulty proxy before the real server."""
    proxy = FaultyProxy(live.url)
    yield proxy
    proxy.close()


@pytest.fixture
def disturbed(keyed, between):
    """The terminal with a key of Ada; its way to the real server leads through the faulty proxy."""
    keyed.environ["REFLOW_SERVER"] = between.url
    return keyed


@pytest.fixture
def secured(keyed, live):
    """`secured(file, fault)`: the real server behind TLS with the certificate in `file`, and a fault."""
    proxies = []

    def secured(file, fault=pass_on):
        proxies.append(FaultyProxy(live.url, server_context(file)))
        proxies[0].always = fault
        keyed.environ["REFLOW_SERVER"] = proxies[0].url
        return keyed

    yield secured
    proxies[0].close()


def ends_kindly(outcome, terminal, *words: str) -> None:
    """Demand exit 7 and one sentence with `words`, that says what to do and holds no secret."""
    assert outcome.code == 7, outcome.everything
    assert outcome.stdout == ""
    assert any(line.startswith("reflow: ") for line in outcome.stderr.splitlines())
    for word in words:
        assert word in outcome.stderr
    assert any(verb in outcome.stderr for verb in ("Check", "Try again", "name it with", "Write", "If your"))
    assert "Traceback" not in outcome.stderr
    assert "inside the command" not in outcome.stderr
    assert terminal.key["secret"][4:] not in outcome.everything


def test_undisturbed_request_works_through_the_proxy(disturbed, between):
    assert disturbed.run("whoami").code == 0
    assert len(between.seen) == 1


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize(
    "length",
    [
        pytest.param(True, marks=pytest.mark.slow, id="with its length"),
        pytest.param(False, id="without its length"),
    ],
)
def test_truncated_answer_is_explained(disturbed, between, words, length):
    between.always = cut_after(9, with_length=length)

    ends_kindly(disturbed.run(*words), disturbed, "broke off", "Try again")


@pytest.mark.parametrize("count", [0, 5, 40, 300])
def test_reset_connection_is_explained(disturbed, between, count):
    without_sleep(disturbed)
    between.always = reset_after(count)

    outcome = disturbed.run("whoami")

    ends_kindly(outcome, disturbed)
    assert "broke off" in outcome.stderr or "does not speak HTTP" in outcome.stderr


def test_unsafe_request_is_not_repeated(disturbed, between, ada):
    between.always = reset_after(0)
    before = ada.live_names()

    outcome = disturbed.run("keys", "create", "lost on the way")

    ends_kindly(outcome, disturbed, "reflow keys list shows it")
    assert ada.live_names() - before == {"lost on the way"}
    assert len(between.seen) == 1


def test_silent_server_is_explained(disturbed, between):
    between.always = silence
    with_short_timeouts(disturbed)

    ends_kindly(disturbed.run("whoami"), disturbed, "no answer within 0.5 seconds")


def test_endless_slow_answer_is_explained(disturbed, between):
    between.always = drip
    with_short_timeouts(disturbed, timeout=30, longest=0.6)

    ends_kindly(disturbed.run("whoami"), disturbed, "less than 1 MB of its answer arrived in 0.6 seconds")


def test_long_answer_may_take_longer(disturbed, between):
    between.always = lambda exchange: drip(exchange, 0.002)
    with_short_timeouts(disturbed, timeout=30, longest=0.6, piece=64)

    assert disturbed.run("whoami").code == 0


def test_slow_answer_is_read_to_its_end(disturbed, between):
    between.always = lambda exchange: drip(exchange, 0)

    assert disturbed.run("whoami").code == 0


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_captive_portal_is_explained(disturbed, between, words):
    between.always = says("200 OK", PORTAL, Content_Type="text/html")

    outcome = disturbed.run(*words)

    ends_kindly(outcome, disturbed, "text/html", "whether your network asks you to sign in")
    assert "hotel" not in outcome.stderr


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
@pytest.mark.parametrize("words", [("whoami",), ("keys", "create", "x")], ids=["whoami", "keys create"])
def test_redirect_to_another_host_is_not_followed(disturbed, between, listener, status, words):
    between.always = says(status, Location=f"{listener.url}/api/v1/me?token=private")

    outcome = disturbed.run(*words)

    ends_kindly(outcome, disturbed, "No redirect is followed", listener.url, "in a browser")
    assert listener.asked == []
    assert "private" not in outcome.everything


@pytest.mark.parametrize("path", ["/api/v1/keys", "/login", ""])
def test_redirect_at_the_same_host_is_not_followed(disturbed, between, path):
    between.always = says("302 Found", Location=f"{between.url}{path}")

    ends_kindly(disturbed.run("whoami"), disturbed, "No redirect is followed")
    assert len(between.seen) == 1


def test_redirect_from_https_to_http_is_not_followed(secured, tmp_path, listener):
    terminal = secured(file := certificate(tmp_path), says("302 Found", Location=f"{listener.url}/api/v1/me"))
    terminal.environ["SSL_CERT_FILE"] = str(file)

    ends_kindly(terminal.run("whoami"), terminal, "No redirect is followed", listener.url)
    assert listener.asked == []


def test_trusted_certificate_is_accepted(secured, tmp_path):
    terminal = secured(file := certificate(tmp_path))
    terminal.environ["SSL_CERT_FILE"] = str(file)

    outcome = terminal.run("whoami")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""


def test_untrusted_certificate_is_explained(secured, tmp_path):
    terminal = secured(certificate(tmp_path))

    ends_kindly(terminal.run("whoami"), terminal, "is not trusted", "SSL_CERT_FILE")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("", "it holds no certificate in PEM form"),
        ("x\n", "it holds no"),
    ],
)
def test_unusable_certificate_file_is_named(secured, tmp_path, content, reason):
    terminal = secured(certificate(tmp_path))
    file = tmp_path / "authority.pem"
    if content is not None:
        file.write_text(content)
    terminal.environ["SSL_CERT_FILE"] = str(file)

    outcome = terminal.run("whoami")

    ends_kindly(outcome, terminal, "is not trusted", f"{file}, named in SSL_CERT_FILE, cannot be used")
    assert f"({reason}" in outcome.stderr


@pytest.mark.parametrize(
    ("starts", "ends", "words"), [(-9, -2, "has expired"), (2, 9, "is not valid yet")], ids=["old", "early"]
)
def test_expired_certificate_is_explained(secured, tmp_path, starts, ends, words):
    terminal = secured(
        file := certificate(tmp_path, starts=timedelta(days=starts), ends=timedelta(days=ends))
    )
    terminal.environ["SSL_CERT_FILE"] = str(file)

    ends_kindly(terminal.run("whoami"), terminal, words, "Check this machine's clock")


def test_certificate_for_another_host_is_explained(secured, tmp_path):
    terminal = secured(file := certificate(tmp_path, host="elsewhere.example"))
    terminal.environ["SSL_CERT_FILE"] = str(file)

    ends_kindly(terminal.run("whoami"), terminal, "is for another host", "Check the address")


def test_https_to_a_plain_http_server_is_explained(keyed, live):
    keyed.environ["REFLOW_SERVER"] = live.url.replace("http:", "https:")

    ends_kindly(keyed.run("whoami"), keyed, "does not speak https", "https://")


def test_plain_http_to_an_https_server_is_explained(secured, tmp_path):
    terminal = secured(certificate(tmp_path))
    terminal.environ["REFLOW_SERVER"] = terminal.environ["REFLOW_SERVER"].replace("https:", "http:")

    ends_kindly(terminal.run("whoami"), terminal, "https")


def test_tls_alert_to_plain_http_is_explained(disturbed, between):
    between.always = says_raw(b"\x15\x03\x03\x00\x02\x02\x16")

    ends_kindly(disturbed.run("whoami"), disturbed, "it speaks https, not http", "Write https://")


GATEWAYS = {
    "nginx": ("text/html", b"<html><h1>Bad gateway</h1></html>"),
    "json of its own": ("application/json", json.dumps({"error": "x"}).encode()),
    "nothing": ("text/plain", b""),
}


@pytest.mark.parametrize(("kind", "body"), GATEWAYS.values(), ids=GATEWAYS.keys())
@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_without_its_server_is_explained(disturbed, between, status, kind, body):
    without_sleep(disturbed)
    between.always = says(f"{status} Away", body, Content_Type=kind)

    outcome = disturbed.run("--quiet", "whoami")

    ends_kindly(outcome, disturbed, f"is not available now (status {status})", "Try again later")
    assert "not a Reflow server" not in outcome.stderr

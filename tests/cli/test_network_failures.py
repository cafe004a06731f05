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
def listener_proxy(live):
    """A faulty proxy before the real server."""
    proxy = FaultyProxy(live.url)
    yield proxy
    proxy.close()


@pytest.fixture
def proxied_terminal(keyed_terminal, listener_proxy):
    """The terminal with a key of Ada; its way to the real server leads through the faulty proxy."""
    keyed_terminal.environ["REFLOW_SERVER"] = listener_proxy.url
    return keyed_terminal


@pytest.fixture
def tls_terminal(keyed_terminal, live):
    """`secured(file, fault)`: the real server behind TLS with the certificate in `file`, and a fault."""
    proxies = []

    def tls_terminal(file, fault=pass_on):
        proxies.append(FaultyProxy(live.url, server_context(file)))
        proxies[0].always = fault
        keyed_terminal.environ["REFLOW_SERVER"] = proxies[0].url
        return keyed_terminal

    yield tls_terminal
    proxies[0].close()


def ends_kindly(outcome, terminal, *words: str) -> None:
    """Demand exit 7 and one sentence with `words`, that says what to do and holds no secret."""
    assert outcome.code == 7, outcome.output
    assert outcome.stdout == ""
    assert any(line.startswith("reflow: ") for line in outcome.stderr.splitlines())
    for word in words:
        assert word in outcome.stderr
    assert any(verb in outcome.stderr for verb in ("Check", "Try again", "name it with", "Write", "If your"))
    assert "Traceback" not in outcome.stderr
    assert "inside the command" not in outcome.stderr
    assert terminal.key["secret"][4:] not in outcome.output


def test_undisturbed_request_works_through_the_proxy(proxied_terminal, listener_proxy):
    assert proxied_terminal.run("whoami").code == 0
    assert len(listener_proxy.seen) == 1


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
@pytest.mark.parametrize(
    "length",
    [
        pytest.param(True, marks=pytest.mark.slow, id="with its length"),
        pytest.param(False, id="without its length"),
    ],
)
def test_truncated_answer_is_explained(proxied_terminal, listener_proxy, words, length):
    listener_proxy.always = cut_after(9, with_length=length)

    ends_kindly(proxied_terminal.run(*words), proxied_terminal, "broke off", "Try again")


@pytest.mark.parametrize("count", [0, 5, 40, 300])
def test_reset_connection_is_explained(proxied_terminal, listener_proxy, count):
    without_sleep(proxied_terminal)
    listener_proxy.always = reset_after(count)

    outcome = proxied_terminal.run("whoami")

    ends_kindly(outcome, proxied_terminal)
    assert "broke off" in outcome.stderr or "does not speak HTTP" in outcome.stderr


def test_unsafe_request_is_not_repeated(proxied_terminal, listener_proxy, ada):
    listener_proxy.always = reset_after(0)
    before = ada.live_names()

    outcome = proxied_terminal.run("keys", "create", "lost on the way")

    ends_kindly(outcome, proxied_terminal, "reflow keys list shows it")
    assert ada.live_names() - before == {"lost on the way"}
    assert len(listener_proxy.seen) == 1


def test_silent_server_is_explained(proxied_terminal, listener_proxy):
    listener_proxy.always = silence
    with_short_timeouts(proxied_terminal)

    ends_kindly(proxied_terminal.run("whoami"), proxied_terminal, "no answer within 0.5 seconds")


def test_endless_slow_answer_is_explained(proxied_terminal, listener_proxy):
    listener_proxy.always = drip
    with_short_timeouts(proxied_terminal, timeout=30, longest=0.6)

    ends_kindly(
        proxied_terminal.run("whoami"),
        proxied_terminal,
        "less than 1 MB of its answer arrived in 0.6 seconds",
    )


def test_long_answer_may_take_longer(proxied_terminal, listener_proxy):
    listener_proxy.always = lambda exchange: drip(exchange, 0.002)
    with_short_timeouts(proxied_terminal, timeout=30, longest=0.6, piece=64)

    assert proxied_terminal.run("whoami").code == 0


def test_slow_answer_is_read_to_its_end(proxied_terminal, listener_proxy):
    listener_proxy.always = lambda exchange: drip(exchange, 0)

    assert proxied_terminal.run("whoami").code == 0


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS.keys())
def test_captive_portal_is_explained(proxied_terminal, listener_proxy, words):
    listener_proxy.always = says("200 OK", PORTAL, Content_Type="text/html")

    outcome = proxied_terminal.run(*words)

    ends_kindly(outcome, proxied_terminal, "text/html", "whether your network asks you to sign in")
    assert "hotel" not in outcome.stderr


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]
)
@pytest.mark.parametrize("words", [("whoami",), ("keys", "create", "x")], ids=["whoami", "keys create"])
def test_redirect_to_another_host_is_not_followed(proxied_terminal, listener_proxy, listener, status, words):
    listener_proxy.always = says(status, Location=f"{listener.url}/api/v1/me?token=private")

    outcome = proxied_terminal.run(*words)

    ends_kindly(outcome, proxied_terminal, "No redirect is followed", listener.url, "in a browser")
    assert listener.requests == []
    assert "private" not in outcome.output


@pytest.mark.parametrize("path", ["/api/v1/keys", "/login", ""])
def test_redirect_at_the_same_host_is_not_followed(proxied_terminal, listener_proxy, path):
    listener_proxy.always = says("302 Found", Location=f"{listener_proxy.url}{path}")

    ends_kindly(proxied_terminal.run("whoami"), proxied_terminal, "No redirect is followed")
    assert len(listener_proxy.seen) == 1


def test_redirect_from_https_to_http_is_not_followed(tls_terminal, tmp_path, listener):
    terminal = tls_terminal(
        file := certificate(tmp_path), says("302 Found", Location=f"{listener.url}/api/v1/me")
    )
    terminal.environ["SSL_CERT_FILE"] = str(file)

    ends_kindly(terminal.run("whoami"), terminal, "No redirect is followed", listener.url)
    assert listener.requests == []


def test_trusted_certificate_is_accepted(tls_terminal, tmp_path):
    terminal = tls_terminal(file := certificate(tmp_path))
    terminal.environ["SSL_CERT_FILE"] = str(file)

    outcome = terminal.run("whoami")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""


def test_untrusted_certificate_is_explained(tls_terminal, tmp_path):
    terminal = tls_terminal(certificate(tmp_path))

    ends_kindly(terminal.run("whoami"), terminal, "is not trusted", "SSL_CERT_FILE")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file or directory"),
        ("", "it holds no certificate in PEM form"),
        ("x\n", "it holds no"),
    ],
)
def test_unusable_certificate_file_is_named(tls_terminal, tmp_path, content, reason):
    terminal = tls_terminal(certificate(tmp_path))
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
def test_expired_certificate_is_explained(tls_terminal, tmp_path, starts, ends, words):
    terminal = tls_terminal(
        file := certificate(tmp_path, starts=timedelta(days=starts), ends=timedelta(days=ends))
    )
    terminal.environ["SSL_CERT_FILE"] = str(file)

    ends_kindly(terminal.run("whoami"), terminal, words, "Check this machine's clock")


def test_certificate_for_another_host_is_explained(tls_terminal, tmp_path):
    terminal = tls_terminal(file := certificate(tmp_path, host="elsewhere.example"))
    terminal.environ["SSL_CERT_FILE"] = str(file)

    ends_kindly(terminal.run("whoami"), terminal, "is for another host", "Check the address")


def test_https_to_a_plain_http_server_is_explained(keyed_terminal, live):
    keyed_terminal.environ["REFLOW_SERVER"] = live.url.replace("http:", "https:")

    ends_kindly(keyed_terminal.run("whoami"), keyed_terminal, "does not speak https", "https://")


def test_plain_http_to_an_https_server_is_explained(tls_terminal, tmp_path):
    terminal = tls_terminal(certificate(tmp_path))
    terminal.environ["REFLOW_SERVER"] = terminal.environ["REFLOW_SERVER"].replace("https:", "http:")

    ends_kindly(terminal.run("whoami"), terminal, "https")


def test_tls_alert_to_plain_http_is_explained(proxied_terminal, listener_proxy):
    listener_proxy.always = says_raw(b"\x15\x03\x03\x00\x02\x02\x16")

    ends_kindly(
        proxied_terminal.run("whoami"), proxied_terminal, "it speaks https, not http", "Write https://"
    )


GATEWAYS = {
    "nginx": ("text/html", b"<html><h1>Bad gateway</h1></html>"),
    "json of its own": ("application/json", json.dumps({"error": "x"}).encode()),
    "nothing": ("text/plain", b""),
}


@pytest.mark.parametrize(("kind", "body"), GATEWAYS.values(), ids=GATEWAYS.keys())
@pytest.mark.parametrize("status", [502, 503, 504])
def test_gateway_without_its_server_is_explained(proxied_terminal, listener_proxy, status, kind, body):
    without_sleep(proxied_terminal)
    listener_proxy.always = says(f"{status} Away", body, Content_Type=kind)

    outcome = proxied_terminal.run("--quiet", "whoami")

    ends_kindly(outcome, proxied_terminal, f"is not available now (status {status})", "Try again later")
    assert "not a Reflow server" not in outcome.stderr

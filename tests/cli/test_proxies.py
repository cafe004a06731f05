"""Proxies named by the environment: used, bypassed for this machine, and explained when they fail."""

import socket

import pytest

from tests.cli.doctor_report import Report
from tests.cli.folders import key_file
from tests.cli.listener import ME
from tests.cli.secrets_for_tests import made_up_key
from tests.helpers.certificates import certificate, server_context
from tests.helpers.faulty_proxy import FaultyProxy, HttpProxy, says

pytestmark = pytest.mark.slow

HTTP, HTTPS = "http://reflow.test", "https://reflow.test"


@pytest.fixture
def terminal(terminal):
    # Plain http to another host is refused without permission.
    terminal.environ |= {"REFLOW_API_KEY": made_up_key(), "REFLOW_INSECURE": "1"}
    return terminal


@pytest.fixture
def proxy(listener):
    """An http proxy for which every host is the loopback server."""
    proxy = HttpProxy(listener.url)
    yield proxy
    proxy.close()


@pytest.fixture
def tunnel(listener, tmp_path, terminal):
    """An http proxy for which every host is the loopback server behind TLS, as reflow.test."""
    file = certificate(tmp_path, host="reflow.test")
    terminal.environ["SSL_CERT_FILE"] = str(file)
    tls_terminal = FaultyProxy(listener.url, server_context(file))
    proxy = HttpProxy(tls_terminal.url)
    proxy.behind = tls_terminal.seen
    yield proxy
    proxy.close()
    tls_terminal.close()


def _address(port: int, who: str) -> str:
    return f"http://{who}{'@' if who else ''}127.0.0.1:{port}"


def _explains(outcome, terminal, *words: str) -> None:
    assert outcome.code == 7, outcome.output
    assert outcome.stderr.count("reflow: ") == 1
    for word in words:
        assert word in outcome.stderr
    _tells_no_secret(outcome, terminal)


def _tells_no_secret(outcome, terminal) -> None:
    for secret in (terminal.environ["REFLOW_API_KEY"][4:], "hunter2", "hunter%32"):
        assert secret not in outcome.output
    assert "Traceback" not in outcome.stderr
    assert "inside the command" not in outcome.stderr


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
@pytest.mark.parametrize("scheme", ["http://", ""])
def test_plain_http_goes_through_the_proxy_and_is_warned_of(terminal, proxy, listener, variable, scheme):
    terminal.environ[variable] = f"{scheme}127.0.0.1:{proxy.port}"

    outcome = terminal.run("--server", HTTP, "whoami")

    assert outcome.code == 0, outcome.stderr
    assert proxy.seen[0].startswith(b"GET http://reflow.test/api/v1/me HTTP/1.1\r\nHost: reflow.test\r\n")
    assert listener.secrets == [terminal.environ["REFLOW_API_KEY"]]
    assert f"your secret travels unencrypted to {HTTP}" in outcome.stderr


def test_doctor_sends_no_unused_key_unencrypted(terminal, proxy, listener):
    used = terminal.environ["REFLOW_API_KEY"]
    terminal.environ["HTTP_PROXY"] = f"127.0.0.1:{proxy.port}"
    key_file(terminal.home / ".reflow" / "api.key", made_up_key())
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.respond_to(used, "GET", "/me", ME)

    terminal.run("--server", HTTP, "doctor")

    assert set(listener.secrets) == {"", used}


def test_doctor_repeats_the_permission_in_its_commands(terminal, proxy, listener):
    used = terminal.environ["REFLOW_API_KEY"]
    del terminal.environ["REFLOW_INSECURE"]
    terminal.environ["HTTP_PROXY"] = f"127.0.0.1:{proxy.port}"
    listener.respond("GET", "/me", {"code": "missing_credentials", "status": 401}, 401)
    listener.respond_to(used, "GET", "/me", ["odd"])

    report = Report(terminal, "--server", HTTP, "--insecure")

    assert report["accepted"]["fix"] == f"reflow doctor --server {HTTP} --insecure"


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy"])
def test_https_goes_through_a_tunnel_and_the_proxy_reads_nothing(terminal, tunnel, listener, variable):
    terminal.environ[variable] = tunnel.url

    outcome = terminal.run("--server", HTTPS, "whoami")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    assert tunnel.seen[0].startswith(b"CONNECT reflow.test:443 ")
    assert b"rfk_" not in b"".join(tunnel.seen)
    assert listener.secrets == [terminal.environ["REFLOW_API_KEY"]]


def test_name_and_password_reach_the_proxy_alone(terminal, proxy, tunnel, listener):
    for server, way in ((HTTP, proxy), (HTTPS, tunnel)):
        way.lets_in = "me@work:hunter2"
        terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = _address(
            way.port, "me%40work:hunter%32"
        )
        outcome = terminal.run("--server", server, "whoami")

        assert outcome.code == 0, outcome.stderr
        _tells_no_secret(outcome, terminal)
    assert len(listener.requests) == 2
    assert b"proxy-authorization" not in b"".join(tunnel.behind).lower()


@pytest.mark.parametrize("server", [HTTP, HTTPS])
@pytest.mark.parametrize(
    ("given", "words"),
    [("", "requires a name and a password"), ("me:hunter2", "refuses its name and password")],
    ids=["none", "wrong"],
)
def test_proxy_that_wants_a_password_is_named(terminal, proxy, listener, server, given, words):
    proxy.lets_in = "you:other"
    terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = _address(proxy.port, given)

    outcome = terminal.run("--server", server, "whoami")

    variable = "HTTP_PROXY" if server == HTTP else "HTTPS_PROXY"
    _explains(outcome, terminal, f"the proxy 127.0.0.1:{proxy.port} ({variable}) {words}", "NAME:PASSWORD@")
    assert listener.requests == []


@pytest.mark.parametrize("server", [HTTP, HTTPS])
def test_unavailable_proxy_is_named(terminal, server):
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = _address(port, "me:hunter2")

    outcome = terminal.run("--server", server, "whoami")

    _explains(outcome, terminal, f"the proxy 127.0.0.1:{port}", "nothing answers there", "NO_PROXY")


@pytest.mark.parametrize("server", [HTTP, HTTPS])
def test_unknown_proxy_host_is_named(terminal, server):
    terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = "http://proxy.invalid:3128"

    _explains(terminal.run("--server", server, "whoami"), terminal, "the proxy proxy.invalid:3128", "name")


@pytest.mark.parametrize(
    ("server", "answer", "words"),
    [
        (HTTPS, says("403 Forbidden"), "does not lead there (status 403)"),
        (HTTPS, says("502 Bad Gateway"), "does not lead there (status 502)"),
        (HTTP, says("403 Forbidden", b"<h1>No</h1>", Content_Type="text/html"), "asked through the proxy"),
        (HTTP, says("302 Found", Location="http://portal.example/"), "No redirect is followed"),
        (HTTPS, says("302 Found", Location="http://portal.example/"), "does not lead there (status 302)"),
    ],
)
def test_refusing_proxy_is_named(terminal, proxy, listener, server, answer, words):
    proxy.faults = [answer]
    terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = proxy.url

    _explains(terminal.run("--server", server, "whoami"), terminal, words)
    assert listener.requests == []


@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize("hosts", ["reflow.test", ".test", "a.example,reflow.test", "*"])
@pytest.mark.parametrize("server", [HTTP, HTTPS])
def test_no_proxy_hosts_are_contacted_directly(terminal, proxy, variable, hosts, server):
    terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = proxy.url
    terminal.environ[variable] = hosts

    outcome = terminal.run("--server", server, "whoami")

    _explains(outcome, terminal, f"{server} cannot be reached: ")  # there is no such machine
    assert proxy.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_loopback_requests_use_no_proxy(terminal, proxy, listener, host):
    terminal.environ["HTTP_PROXY"] = terminal.environ["http_proxy"] = proxy.url

    outcome = terminal.run("--server", listener.url.replace("127.0.0.1", host), "whoami")

    assert outcome.code == 0, outcome.stderr
    assert outcome.stderr == ""
    assert proxy.seen == []


def test_lower_case_variable_comes_first(terminal, proxy):
    terminal.environ |= {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": proxy.url}

    assert terminal.run("--server", HTTP, "whoami").code == 0


ODD = [
    "socks5://127.0.0.1:1080",
    "https://127.0.0.1:3128",
    "ftp://proxy",
    "http://",
    "http://me:hunter2@",
    "http://h:x",
]


@pytest.mark.parametrize(
    "address", [*ODD, "http://h:99999", "http://[::1", "http://a b:1", "http://\u202ehunter2:1"]
)
@pytest.mark.parametrize("server", [HTTP, HTTPS])
def test_invalid_proxy_is_refused_with_its_variable(terminal, address, server):
    terminal.environ["HTTP_PROXY"] = terminal.environ["HTTPS_PROXY"] = address

    outcome = terminal.run("--server", server, "whoami")

    assert outcome.code == 2, outcome.output
    assert ("HTTP_PROXY" if server == HTTP else "HTTPS_PROXY") in outcome.stderr
    _tells_no_secret(outcome, terminal)

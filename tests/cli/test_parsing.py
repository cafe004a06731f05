"""Text, server addresses, times and API paths."""

import unicodedata
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from reflow_accounts.cli.commands.activity import parse_since
from reflow_accounts.cli.errors import UsageFault
from reflow_accounts.cli.http.server_address import is_exposed, proxy_for, server_address
from reflow_accounts.cli.text import clean, redact
from tests.cli.secrets_for_tests import made_up_key, made_up_session

NOW = datetime(2026, 5, 10, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "character", [*map(chr, range(32)), "\x7f", "\x9b", "\u2028", "\u2029", "\u202e", "\u2066"]
)
def test_control_characters_become_visible(character):
    assert clean(f"a{character}b").isprintable()
    assert clean(f"a{character}b") != "ab"


@pytest.mark.parametrize(
    "name", ["Ada Park", "Åsa", "日本　語", "👩\u200d💻 laptop", "می\u200cخواهم", "a\u00a0b", ""]
)
def test_names_of_people_stay_as_they_are(name):
    assert clean(name) == name


def test_lone_surrogate_can_be_printed():
    assert clean("a\udcffb").encode() == b"a\\udcffb"


@pytest.mark.slow
def test_no_character_of_unicode_breaks_a_line():
    text = "".join(map(chr, range(0x110000)))
    assert len(clean(text).splitlines()) == 1
    assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in clean(text))


SECRETS = {
    "a key": made_up_key(),
    "a session": made_up_session(),
    "half a key": made_up_key()[:20],
    "more than a key": made_up_key() + "x",
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS.keys())
def test_secrets_are_masked(secret):
    assert secret[4:] not in redact(f"the key <{secret}> is odd")
    assert redact(f"the key <{secret}> is odd").endswith("> is odd")


ADDRESSES = {
    "https://reflow.example": "https://reflow.example",
    "https://Reflow.Example/": "https://reflow.example",
    "https://reflow.example:443//": "https://reflow.example",
    "http://127.0.0.1:5000/": "http://127.0.0.1:5000",
    "http://[::1]:80/": "http://[::1]",
    "HTTPS://reflow.example/team/": "https://reflow.example/team",
    "https://bücher.example": "https://xn--bcher-kva.example",
}


@pytest.mark.parametrize(("given", "expected"), ADDRESSES.items())
def test_server_address_is_normalized(given, expected):
    assert server_address(given, "--server") == expected
    assert server_address(expected, "--server") == expected


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            " ",
            "reflow.example",
            "//reflow.example",
            "ftp://reflow.example",
            "file:///etc/passwd",
            "https://",
        ),
        *(
            "https:///path",
            "http://:80",
            "https://h:0x1",
            "https://h:99999",
            "http://[::1",
            "https://h/?a=b",
            "https://h#",
        ),
        *(
            "https://user@h",
            "https://user:hunter2@h",
            "https://h\\@evil",
            "https://h\n",
            "https://h/\u202e",
            "https://h h",
        ),
        *("https://" + "ü" * 70 + ".example", "javascript:alert(1)", "https://h/é", "https://h?"),
    ],
)
def test_invalid_server_address_is_refused(given):
    with pytest.raises(UsageFault) as fault:
        server_address(given, "--server")
    assert fault.value.exit_code == 2
    assert "hunter2" not in str(fault.value)


@pytest.mark.parametrize("source", ["option", "variable"])
def test_refused_address_names_its_source_and_no_password(terminal, source):
    words = ["--server", "https://me:hunter2@h"] if source == "option" else []
    if source == "variable":
        terminal.environ["REFLOW_SERVER"] = "https://me:hunter2@h"

    outcome = terminal.run(*words, "whoami")

    assert outcome.code == 2
    assert ("--server" if source == "option" else "REFLOW_SERVER") in outcome.stderr
    assert "hunter2" not in outcome.output


@pytest.mark.parametrize(
    ("server", "exposed"),
    [
        ("http://127.0.0.1:5000", False),
        ("http://localhost", False),
        ("http://[::1]", False),
        ("https://a.example", False),
        ("http://a.example", True),
        ("http://127.evil.example", True),
    ],
)
def test_unencrypted_connection_to_another_machine_is_detected(server, exposed):
    assert is_exposed(server) is exposed


MOMENTS = {
    "7d": "2026-05-03T12:30:00Z",
    "12h": "2026-05-10T00:30:00Z",
    "30m": "2026-05-10T12:00:00Z",
    "2w": "2026-04-26T12:30:00Z",
    "2026-05-01": "2026-05-01T00:00:00Z",
    "2026-05-01T12:00": "2026-05-01T12:00:00Z",
    "2026-05-01T12:00:00+02:00": "2026-05-01T10:00:00Z",
    "2026-05-01T12:00:00Z": "2026-05-01T12:00:00Z",
    "0900-05-01": "0900-05-01T00:00:00Z",
}


@pytest.mark.parametrize(("given", "expected"), MOMENTS.items())
def test_time_is_parsed(given, expected):
    assert parse_since(given, NOW) == expected


@pytest.mark.parametrize(
    "given", ["", "7", "d", "-7d", "7 d", "soon", "999999w", "2026-13-01", "٧d", "0001-01-01T00:00+14:00"]
)
def test_invalid_time_is_refused(given):
    with pytest.raises(UsageFault):
        parse_since(given, NOW)


@pytest.mark.parametrize(
    ("server", "exceptions", "uses_proxy"),
    [
        ("http://10.1.2.3:5000", "10.0.0.0/8", False),
        ("http://10.1.2.3:5000", "other.example, 10.1.2.3/32", False),
        ("https://[2001:db8::1]", "2001:db8::/32", False),
        ("https://[2001:db8::1]", "[2001:db8::]/32", False),
        ("https://reflow.example", "reflow.example:443", False),
        ("http://10.1.2.3:5000", "11.0.0.0/8, 10.0.0.0/33, /8, x/8, 10.1.2.3/, 2001:db8::/32", True),
        ("http://reflow.example", "10.0.0.0/8", True),
        ("https://reflow.example", "reflow.example:80", True),
    ],
)
def test_no_proxy_names_networks_and_ports(monkeypatch, server, exceptions, uses_proxy):
    monkeypatch.setenv("http_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", exceptions)
    assert (proxy_for(urlsplit(f"{server}/api/v1/me")) is not None) is uses_proxy


@pytest.mark.parametrize("exception", ["2001:db8::1", "[2001:db8::1]", "other.example, 2001:DB8::1"])
def test_address_in_no_proxy_needs_no_brackets(monkeypatch, exception):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", exception)

    assert proxy_for(urlsplit("https://[2001:db8::1]:8443/api/v1/me")) is None
    assert proxy_for(urlsplit("https://[2001:db8::2]/api/v1/me")) is not None

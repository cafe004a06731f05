"""Normalization, validation and comparison of text from users."""

import re
import unicodedata

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX

# Control characters, line and paragraph separators, lone surrogates. Of the format characters (Cf) only those
# that change the text direction are refused.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Invisible letters and symbols: Hangul fillers, the blank Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Category Zs. Line ends and tabs are refused instead of replaced.
_SPACES = re.compile("[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
# Searches compare no more characters: no column is longer, and SQLite refuses patterns above 50,000 bytes.
LONGEST_TERM = 1000
# Keys, CLI sessions and mailed links. Inside a word, as in "surfs_up", only with a tail long enough to be a secret.
_SECRET_PREFIX = f"(?:{KEY_PREFIX}|{SESSION_PREFIX}|lnk_)"
_SECRET = re.compile(rf"(?<![0-9a-z_]){_SECRET_PREFIX}|{_SECRET_PREFIX}[0-9a-z_]{{20}}")
_DIRECTION_CHARACTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def tidy(text: str) -> str:
    """Return `text` in composed form (NFC), with single spaces between words and none at its ends."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def is_plain(text: str) -> bool:
    """Return whether `text` is one line without control, direction or broken characters."""
    return not any(
        unicodedata.category(character) in _REFUSED_CATEGORIES or character in _DIRECTION_CHARACTERS
        for character in text
    )


def is_visible(text: str) -> bool:
    """Return whether `text` has a visible character."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in set(text) - _BLANKS)


def fault_of(text: str, longest: int, *, empty: str) -> str | None:
    """Return the validation error of a tidy one-line `text`, or None when it is valid.

    `longest` is in characters; `empty` is the error for a text without visible characters.
    """
    if not is_visible(text):
        return empty
    if len(text) > longest:
        return f"Use at most {longest} characters"
    return None if is_plain(text) else "Leave out line breaks and control characters"


def folded(text: str) -> str:
    """Return the form in which names are compared: NFKC, case folded, without format characters."""
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", visible).casefold()


def holds_secret(value: str) -> bool:
    """Return whether a text contains a secret or most of one, in any case and compatibility form."""
    return _SECRET.search(folded(value)) is not None

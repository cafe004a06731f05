"""Normalization, validation and comparison of text from users."""

import re
import unicodedata

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX

# Control characters, line and paragraph separators, lone surrogates. Of the format characters (Cf) only those
# that change the text direction are refused.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Default_Ignorable_Code_Point of Unicode 16.0, https://www.unicode.org/Public/16.0.0/ucd/DerivedCoreProperties.txt
# (first and last code point of each range). It has characters of all categories, and reserved code points.
_DEFAULT_IGNORABLE = (
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
# Symbols and letters without ink that have no such property: the blank Braille pattern, a note head, hieroglyphs.
_BLANKS = frozenset("\u2800\U0001d159\U00013441\U00013442")
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
    return any(
        unicodedata.category(character)[0] not in "ZC" and not is_invisible(character)
        for character in set(text)
    )


def is_invisible(character: str) -> bool:
    """Return whether a character has no ink and is no space: format characters, fillers, and what Unicode ignores."""
    if character in _BLANKS or unicodedata.category(character) == "Cf":
        return True
    code = ord(character)
    return any(first <= code <= last for first, last in _DEFAULT_IGNORABLE)


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

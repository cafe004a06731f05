"""Text from users: normalization, validation and comparison, and the time zones that they can choose."""

import re
import unicodedata
from datetime import UTC, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX
from reflow_accounts.errors import ValidationFailed

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
LONGEST_REASON = 500
# Longest search term: no column is longer, and SQLite refuses patterns above 50,000 bytes.
LONGEST_TERM = 1000
# Keys, CLI sessions and mailed links. Inside a word, as in "surfs_up", 20 more characters must follow.
_SECRET_PREFIX = f"(?:{KEY_PREFIX}|{SESSION_PREFIX}|lnk_)"
_SECRET = re.compile(rf"(?<![0-9a-z_]){_SECRET_PREFIX}|{_SECRET_PREFIX}[0-9a-z_]{{20}}")
# Most of a secret, which no name contains by accident.
_LONG_SECRET = re.compile(rf"{_SECRET_PREFIX}[0-9a-z]{{20}}")
_DIRECTION_CHARACTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

# Each step can produce characters that another step changes.
_MOST_STEPS = 5
# Other regions contain old names and fixed offsets.
_REGIONS = frozenset(
    "Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split()  # noqa: SIM905
)


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
    """Return whether a character is neither visible nor a space: format, filler and default-ignorable characters."""
    if character in _BLANKS or unicodedata.category(character) == "Cf":
        return True
    code = ord(character)
    return any(first <= code <= last for first, last in _DEFAULT_IGNORABLE)


def fault_of(text: str, longest: int, *, empty: str) -> str | None:
    """Return the validation error of a tidy one-line `text`, or None when it is valid.

    `longest` is in characters; `empty` is the error for a text without visible characters. A secret is never valid.
    """
    if not is_visible(text):
        return empty
    if len(text) > longest:
        return f"Use at most {longest} characters"
    if _LONG_SECRET.search(folded(text)):
        return "Leave out the secret: this text is stored and shown to others"
    return None if is_plain(text) else "Leave out line breaks and control characters"


def checked(value: str, longest: int, *, field: str, empty: str) -> str:
    """Return the tidy form of one line. Raises ValidationFailed with the error of `fault_of` for `field`."""
    line = tidy(value)
    if fault := fault_of(line, longest, empty=empty):
        raise ValidationFailed(**{field: fault})
    return line


def checked_reason(value: str) -> str:
    """Return the tidy form of a reason that support or an operator gives. Raises ValidationFailed for `reason`."""
    return checked(value, LONGEST_REASON, field="reason", empty="Enter a reason")


def folded(text: str) -> str:
    """Return the form in which names are compared: NFKC, case folded, without format characters."""
    visible = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", visible).casefold()


def holds_secret(value: str) -> bool:
    """Return whether a text contains a secret or most of one, in any case and compatibility form."""
    return _SECRET.search(folded(value)) is not None


def comparable(name: str) -> str:
    """Return the form in which a name must be unique.

    Invisible characters (see `is_invisible`) are removed, compatibility characters and case are folded, and
    characters are replaced by the ASCII text, or else the first character, that looks the same (Unicode Technical
    Standard #39, by `confusable_homoglyphs`). ASCII characters stay distinct: `v1` is not `vl`.
    """
    form = name
    for _ in range(_MOST_STEPS):
        visible = "".join(character for character in form if not is_invisible(character))
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
        before, form = form, " ".join("".join(map(_look_alike, folded)).split())
        if form == before:
            break
    return form


@lru_cache(10_000)
def _look_alike(character: str) -> str:
    """Return what a case-folded character looks like: ASCII text, else the first character of its class.

    If only the capital letter looks like ASCII text (Cyrillic н and Н), it decides.
    """
    if character.isascii():
        return character
    similar = _similar_to(character)
    for text in (*similar, *_similar_to(character.upper())):
        if text.isascii():
            return text
    return min([character, *(text for text in similar if len(text) == 1)])


def _similar_to(character: str) -> list[str]:
    """Return the case-folded texts that a character looks like, and the look-alikes of these."""
    direct = _homoglyphs_of(character)
    similar = [*direct, *(text for other in direct if len(other) == 1 for text in _homoglyphs_of(other))]
    return [text.casefold() for text in similar]


def _homoglyphs_of(character: str) -> list[str]:
    # Imported late: its tables take 10 MB and a tenth of a second, and most names are ASCII.
    from confusable_homoglyphs.confusables import is_confusable

    return [homoglyph["c"] for found in is_confusable(character) or () for homoglyph in found["homoglyphs"]]


@cache
def zone_names() -> tuple[str, ...]:
    """Return the time zones that users can choose: UTC, then the others sorted by name."""
    places = (name for name in available_timezones() if name.partition("/")[0] in _REGIONS and "/" in name)
    return ("UTC", *sorted(places))


def zone_of(name: str) -> tzinfo:
    """Return the zone with this name, or UTC when the system does not know it."""
    return ZoneInfo(name) if name != "UTC" and name in zone_names() else UTC

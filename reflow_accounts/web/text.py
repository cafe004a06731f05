"""Text that people typed: cleaned, measured, compared."""

import re
import unicodedata

# Control characters, line and paragraph separators, lone surrogates: nothing that belongs in a name.
# Format characters (Cf) stay, but for those that turn the direction of the text around them.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Letters by category that show nothing: Hangul fillers, the blank Braille pattern.
_BLANKS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
# Category Zs. Not line ends and tabs: those are refused, not mended.
_SPACES = re.compile("[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]+")
_DIRECTION_CHARACTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def tidy(text: str) -> str:
    """Return `text` in composed form (NFC), with single spaces between words and none at its ends."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def is_plain(text: str) -> bool:
    """Say whether `text` is one line without control, direction or broken characters."""
    return not any(
        unicodedata.category(character) in _REFUSED_CATEGORIES or character in _DIRECTION_CHARACTERS
        for character in text
    )


def is_visible(text: str) -> bool:
    """Say whether any character of `text` leaves a mark."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in set(text) - _BLANKS)


def fault_of(text: str, longest: int, *, empty: str) -> str | None:
    """Return the sentence that says why a tidy `text` cannot be kept as one line, or None when it can.

    `longest` is in characters; `empty` is the sentence for a text that shows nothing.
    """
    if not is_visible(text):
        return empty
    if len(text) > longest:
        return f"Use at most {longest} characters"
    return None if is_plain(text) else "Leave out line breaks and control characters"


def folded(text: str) -> str:
    """Return the form in which two names are one: without case, compatibility and invisible differences."""
    seen = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return unicodedata.normalize("NFKC", seen).casefold()

"""Text that people typed: cleaned, measured, compared."""

import unicodedata

# Control characters, line and paragraph separators, lone surrogates: nothing that belongs in a name.
# Format characters (Cf) stay, but for those that turn the direction of the text around them.
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Zl", "Zp"})
_DIRECTION_CHARACTERS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def tidy(text: str) -> str:
    """Return `text` in composed form (NFC), without white space at its ends."""
    return unicodedata.normalize("NFC", text).strip()


def is_plain(text: str) -> bool:
    """Say whether `text` is one line without control, direction or broken characters."""
    return not any(
        unicodedata.category(character) in _REFUSED_CATEGORIES or character in _DIRECTION_CHARACTERS
        for character in text
    )


def is_visible(text: str) -> bool:
    """Say whether any character of `text` leaves a mark."""
    return any(unicodedata.category(character)[0] not in "ZC" for character in text)


def folded(text: str) -> str:
    """Return the form in which two names are the same name: without case and compatibility differences."""
    return unicodedata.normalize("NFKC", text).casefold()

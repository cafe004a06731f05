"""Compare names as people see them: without case, invisible characters and look-alikes of other scripts."""

import unicodedata
from functools import lru_cache

from reflow_accounts.web.text import is_invisible

# Each step can produce characters that another one changes.
_MOST_STEPS = 5


def comparable(name: str) -> str:
    """Return the form of a name by which it must differ from other names.

    Invisible characters (see `text.is_invisible`) are removed, compatibility characters and case folded, and
    each character that looks like ASCII text, or like others, is replaced by it (Unicode Technical Standard #39, by
    `confusable_homoglyphs`). ASCII characters stay distinct: `v1` is not `vl`.
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

    Where only the capital letter looks like ASCII text (Cyrillic н and Н), that decides.
    """
    if character.isascii():
        return character
    similar = _similar_to(character)
    for text in (*similar, *_similar_to(character.upper())):
        if text.isascii():
            return text
    return min([character, *(text for text in similar if len(text) == 1)])


def _similar_to(character: str) -> list[str]:
    """Return the case-folded texts that a character looks like, and those that look like the same one."""
    direct = _homoglyphs_of(character)
    similar = [*direct, *(text for other in direct if len(other) == 1 for text in _homoglyphs_of(other))]
    return [text.casefold() for text in similar]


def _homoglyphs_of(character: str) -> list[str]:
    # Imported late: its tables take 10 MB and a tenth of a second, and most names are ASCII.
    from confusable_homoglyphs.confusables import is_confusable

    return [homoglyph["c"] for found in is_confusable(character) or () for homoglyph in found["homoglyphs"]]

"""Text that is safe to show: names and paths are other people's words."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

_SECRET = re.compile(r"(rf[ks]_)[0-9A-Za-z]{8,}")
_BACKSLASH = "\\"
_PLAIN = re.compile(r"[0-9A-Za-z_./\\:+=~-]+", re.ASCII)  # for Windows
# Joiners that emoji and several scripts need; they can forge neither a line nor a terminal command.
_JOINERS = "\u200c\u200d"
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def clean(text: object) -> str:
    """Return `text` on one line, with control, bidi and invisible characters as visible escapes.

    None becomes the empty string. The answer can neither start a new line or column nor steer a
    terminal.
    """
    words = "" if text is None else str(text)
    return words if words.isprintable() else "".join(map(_visible, words))


def _visible(character: str) -> str:
    from unicodedata import category

    if character in _JOINERS or category(character) not in _UNSAFE_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")


def redacted(text: str) -> str:
    """Return `text` with everything that looks like a secret, or most of one, taken out."""
    return _SECRET.sub(r"\1…", text)


def time_in(document: dict[str, Any], name: str) -> datetime | None:
    """Return the time that a field of the API's JSON holds; None for anything else, or an end of the calendar."""
    from datetime import datetime

    try:
        time = datetime.fromisoformat(str(document.get(name)))
    except ValueError:
        return None
    return time if time.tzinfo and 1000 < time.year < 9000 else None


def shell(*words: object, system: str = os.name) -> str:
    """Return `words` as one shell command, quoted where a shell needs it: on Windows PowerShell or cmd."""
    if system == "nt":  # where no path holds a double quote
        return " ".join(
            word if _PLAIN.fullmatch(word) else f'"{word.rstrip(_BACKSLASH)}"' for word in map(str, words)
        )
    import shlex

    return shlex.join(str(word) for word in words)


def quoted(word: object) -> str:
    """Return `word` as one segment of a path of the API, whatever it holds."""
    from urllib.parse import quote

    return quote(str(word), safe="", errors="surrogatepass")

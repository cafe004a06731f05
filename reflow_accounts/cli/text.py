"""Makes text safe to print: names and paths are untrusted."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

_SECRET = re.compile(r"(rf[ks]_)[0-9A-Za-z]{8,}")
_BACKSLASH = "\\"
_NEEDS_NO_QUOTES = re.compile(r"[0-9A-Za-z_./\\:+=~-]+", re.ASCII)  # on Windows
# Emoji and several scripts need these joiners; they cannot forge a line or a terminal command.
_JOINERS = "\u200c\u200d"
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def clean(value: object) -> str:
    """Return `value` as one line of text, with control, bidi and invisible characters escaped.

    None becomes the empty string. The result cannot start a new line or column or control a terminal.
    """
    text = "" if value is None else str(value)
    return text if text.isprintable() else "".join(map(_escape, text))


def _escape(character: str) -> str:
    from unicodedata import category

    if character in _JOINERS or category(character) not in _UNSAFE_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")


def redact(text: str) -> str:
    """Return `text` without secrets: what looks like one, or like most of one, is cut to its prefix."""
    return _SECRET.sub(r"\1…", text)


def time_in(document: dict[str, Any], name: str) -> datetime | None:
    """Return the time in a field of the API's JSON; None for other values and for years out of range."""
    from datetime import datetime

    try:
        time = datetime.fromisoformat(str(document.get(name)))
    except ValueError:
        return None
    return time if time.tzinfo and 1000 < time.year < 9999 else None


def minute_in(document: dict[str, Any], name: str) -> str:
    """Return the time in a field of the API's JSON as "2027-03-31 12:00 UTC"; other values as text."""
    from datetime import UTC

    time = time_in(document, name)
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if time else clean(document.get(name))


def shell(*arguments: object, system: str = os.name) -> str:
    """Return `arguments` as one shell command, quoted where needed (Windows: for PowerShell and cmd)."""
    texts = [str(argument) for argument in arguments]
    if system == "nt":  # where no path contains a double quote
        return " ".join(
            text if _NEEDS_NO_QUOTES.fullmatch(text) else f'"{text.rstrip(_BACKSLASH)}"' for text in texts
        )
    import shlex

    return shlex.join(texts)


def api_path(parent: str, *segments: object) -> str:
    """Return the path of the API below `parent`; `segments` are percent-encoded."""
    from urllib.parse import quote

    return "/".join([parent, *(quote(str(segment), safe="", errors="surrogatepass") for segment in segments)])

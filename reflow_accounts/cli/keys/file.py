"""Reading one API key out of a file or a variable, and saying why it cannot be read."""

from __future__ import annotations

import codecs
import os
import re
import stat
from pathlib import Path

from reflow_accounts.contract import KEY_PREFIX, SECRET_LENGTH, SESSION_PREFIX, is_well_formed

LARGEST_FILE = 64 * 1024  # bytes
_MARK = "\ufeff"


class Unusable(Exception):
    """Why there is no key: the end of a sentence ("holds no key"), never what was read."""


class Unreadable(Unusable):
    """The file itself is the trouble: missing, a folder, forbidden."""


def secret_in_file(path: Path, *, plain: bool = True) -> str:
    """Return the one key that the file holds.

    Blank lines and lines that start with `#` are skipped; a byte order mark and any line ends are
    fine. `plain` refuses pipes and devices. Raises Unreadable and Unusable.
    """
    return secret_in_text(_text(_content(path, plain)))


def secret_in_text(text: str) -> str:
    """Return the one key in `text`, read like a file's content. Raises Unusable."""
    lines = [line.strip() for line in re.split(r"[\r\n]", text)]
    candidates = [line for line in lines if line and not line.startswith("#")]
    if not candidates:
        raise Unusable("holds no key")
    if len(candidates) > 1:
        raise Unusable("holds more than one line, but a key is one line")
    return _whole_key(candidates[0])


def with_other_secret(content: bytes, old: str, new: str) -> bytes:
    """Return the content of a key file with `new` in the line of `old`; all else stays, byte for byte."""
    encoding = "utf-16-le" if content.startswith(codecs.BOM_UTF16_LE) else "utf-8"
    encoding = "utf-16-be" if content.startswith(codecs.BOM_UTF16_BE) else encoding
    lines = re.split(r"([\r\n])", content.decode(encoding))  # a byte order mark stays a character
    changed = [
        line.replace(old, new) if line.strip().lstrip(_MARK).strip() == old else line for line in lines
    ]
    return "".join(changed).encode(encoding)


def _whole_key(candidate: str) -> str:
    if not is_well_formed(candidate):
        raise Unusable(
            f"does not hold a whole key: it is cut off or mistyped "
            f"(a key is {KEY_PREFIX} and {SECRET_LENGTH - len(KEY_PREFIX)} more characters)"
        )
    if candidate.startswith(SESSION_PREFIX):
        raise Unusable("holds the secret of a login, not an API key")
    return candidate


def _content(path: Path, plain: bool) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise Unreadable("is a folder")
        if plain and not stat.S_ISREG(mode):
            raise Unreadable("is not a plain file")
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise Unreadable(f"cannot be read ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "it does not exist"
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "bad path"


def _text(content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise Unusable("is too large for a key")
    # PowerShell writes UTF-16 with a byte order mark when it redirects.
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise Unusable("is not a text file") from None
    if "\0" in text:
        raise Unusable("is not a text file")
    return text

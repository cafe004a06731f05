"""Which request a proxy asks about: method and path, as far as a use keeps them."""

# Whoever presents a good key may say this of its use, as they could have sent that request itself: it
# decides nothing. A proxy that sends both headers replaces what its own client sent.

import re
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIEnvironment

from reflow_accounts.web.client import LONGEST_METHOD, LONGEST_PATH, kept

# RFC 9110, 9.1: a token. Those of lower case exist in nobody's log of ours.
_METHOD = re.compile(rf"[A-Z][A-Z-]{{0,{LONGEST_METHOD - 1}}}", re.ASCII)
_ORIGIN = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
# A character may be four bytes, and each byte written as %xx.
_LONGEST_WRITTEN = LONGEST_PATH * 12


def method_of(environ: WSGIEnvironment) -> str | None:
    """Return what X-Original-Method says, or None when it says no method."""
    method = environ.get("HTTP_X_ORIGINAL_METHOD", "")
    return method if _METHOD.fullmatch(method) else None


def path_of(environ: WSGIEnvironment) -> str | None:
    """Return the path in X-Original-URI, decoded, without query and fragment; None when it holds none.

    An absolute address is taken for its path. Secrets in it are masked and control characters replaced.
    """
    written = _ORIGIN.sub("", environ.get("HTTP_X_ORIGINAL_URI", ""), count=1)
    path = re.split(r"[?#]", written, maxsplit=1)[0][:_LONGEST_WRITTEN]
    if not path.startswith("/"):
        return None
    # WSGI gives the bytes of a header as Latin-1 (PEP 3333).
    return kept(unquote_to_bytes(path.encode("latin-1", "replace")).decode("utf-8", "replace"))

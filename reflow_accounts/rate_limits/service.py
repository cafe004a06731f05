"""Rate limits of sign-in and other sensitive actions (OWASP ASVS 5.0, 6.1.1 and 6.3.1)."""

import hashlib
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from sqlalchemy import delete

from reflow_accounts.database import db, now
from reflow_accounts.email_addresses import canonical
from reflow_accounts.errors import RateLimited, Unavailable
from reflow_accounts.rate_limits.counters import limiter
from reflow_accounts.rate_limits.models import LimitCount
from reflow_accounts.web import text

# "step-up…" counts the attempts of signed-in users separately, so that attacks from outside do not block them.
Act = Literal[
    "sign-in",
    "sign-up",
    "registration",
    "forgot",
    "second-factor",
    "step-up",
    "step-up-code",
    "passkey",
    "device-code",
    "device-login",
    "invite",
    "invite-to",
    "create-key",
    "download-data",
]

_TEN = (RateLimitItemPerMinute(10, 5),)
# At twenty attempts an hour, guessing six digits takes years.
_CODES = (*_TEN, RateLimitItemPerHour(20))
_OF_ACCOUNT: dict[Act, tuple[RateLimitItem, ...]] = {
    "second-factor": _CODES,
    "step-up-code": _CODES,
    # Invitations that one person sends, and that one team sends to one address.
    "invite": (RateLimitItemPerHour(100), RateLimitItemPerDay(300)),
    "invite-to": (RateLimitItemPerHour(5),),
    "create-key": (RateLimitItemPerMinute(60),),
}
_OF_ADDRESS: dict[Act, tuple[RateLimitItem, ...]] = {
    # These create rows but are no guesses; the users of an office may share an address.
    "passkey": (RateLimitItemPerMinute(30, 5),),
    "device-login": (RateLimitItemPerMinute(30, 5),),
}
# Successful attempts are given back and have separate limits, because each may cost a password hash.
_SUCCESSES_OF_ACCOUNT = RateLimitItemPerMinute(120, 5)
_SUCCESSES_OF_ADDRESS = RateLimitItemPerMinute(600, 5)
_logger = logging.getLogger(__name__)
_SORRY = "Reflow cannot count attempts right now. Try again in a few seconds."

Counter = tuple[RateLimitItem, str, str, str]


def hit(act: Act, *, account: str = "", address: str = "") -> None:
    """Count an attempt, before it is checked and before the request writes.

    `account` is an e-mail address as typed, whether it exists or not, or a public id. `address` is that of the
    client (`web.request_info`); omit it for signed-in users. Both are counted separately. A refused attempt
    does not lengthen the wait. Raises RateLimited above the limit of attempts or of successful attempts, and
    Unavailable when counting fails.
    """
    current = limiter()
    if current is None:
        return
    try:
        for item, *names in _success_counters(act, account, address):
            if not current.test(item, *names):
                raise _refusal(current.get_window_stats(item, *names).reset_time)
        for item, *names in _counters(act, account, address):
            if not current.hit(item, *names):
                raise _refusal(current.get_window_stats(item, *names).reset_time)
    except current.storage.base_exceptions as error:
        raise Unavailable(_SORRY) from error


def are_on() -> bool:
    """Return whether attempts are limited (REFLOW_RATE_LIMITS)."""
    return limiter() is not None


@contextmanager
def attempt(act: Act, *, account: str = "", address: str = "") -> Iterator[None]:
    """Count an attempt as `hit` does, but give it back if it ends with Unavailable, because it was not checked."""
    hit(act, account=account, address=address)
    try:
        yield
    except Unavailable:
        _take_back(act, account, address)
        raise


def give_back(act: Act, *, account: str = "", address: str = "") -> None:
    """Undo `hit` with the same arguments after a successful attempt, and count the success.

    Call it without an open write transaction: before the first write of the request, or after its commit.
    """
    current = limiter()
    if current is None:
        return
    _take_back(act, account, address)
    try:
        for item, *names in _success_counters(act, account, address):
            current.hit(item, *names)
    except current.storage.base_exceptions as error:
        _logger.warning("a success could not be counted: %s", type(error).__name__)


def _take_back(act: Act, account: str, address: str) -> None:
    current = limiter()
    if current is None:
        return
    try:
        for item, *names in _counters(act, account, address):
            key, expiry = item.key_for(*names), item.get_expiry()
            # When a new window has begun, Redis would count below zero and allow more attempts than the limit.
            if current.storage.incr(key, expiry, -1) < 0:
                current.storage.incr(key, expiry, 1)
    except current.storage.base_exceptions as error:
        # The attempt is over already; the remaining count only makes a later limit stricter.
        _logger.warning("a count could not be given back: %s", type(error).__name__)


def prune() -> int:
    """Delete the counters of past windows in a separate transaction; return their number."""
    with db.engine.begin() as connection:
        return connection.execute(delete(LimitCount).where(LimitCount.ends_at <= now())).rowcount


def _counters(act: Act, account: str, address: str) -> list[Counter]:
    """Return the counters of an attempt, the address first: one address alone cannot block many accounts."""
    counters: list[Counter] = []
    if address:
        counters += [(item, act, "address", _network(address)) for item in _OF_ADDRESS.get(act, _TEN)]
    if account:
        counters += [(item, act, "account", _digest(account)) for item in _OF_ACCOUNT.get(act, _TEN)]
    return counters


def _success_counters(act: Act, account: str, address: str) -> list[Counter]:
    counters: list[Counter] = []
    if address:
        counters.append((_SUCCESSES_OF_ADDRESS, act, "successes of address", _network(address)))
    if account:
        counters.append((_SUCCESSES_OF_ACCOUNT, act, "successes of account", _digest(account)))
    return counters


def _network(address: str) -> str:
    """Return the network of one client: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        ip = ip_address(address)
    except ValueError:
        return _digest(address)
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(ip_network((int(ip), 64), strict=False).network_address)


def _digest(account: str) -> str:
    # Hashed: the table must not reveal typed addresses, and they may be longer than its key.
    name = canonical(account) or text.folded(text.tidy(account))
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _refusal(ends_at: float) -> RateLimited:
    seconds = max(1, math.ceil(ends_at - time.time()))
    minutes = math.ceil(seconds / 60)
    wait = "1 minute" if minutes == 1 else f"{minutes} minutes"
    return RateLimited(f"Too many attempts. Try again in {wait}.", seconds)

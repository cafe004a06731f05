"""How often somebody may try what can be guessed or flooded (OWASP ASVS 5.0, 6.1.1 and 6.3.1)."""

import hashlib
import logging
import math
import time
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from limits import RateLimitItem, RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import Storage
from sqlalchemy import delete

from reflow_accounts.database import db, now
from reflow_accounts.errors import RateLimited, Unavailable
from reflow_accounts.rate_limits.counters import limiter
from reflow_accounts.rate_limits.models import LimitCount
from reflow_accounts.web import text

# "step-up…" is whoever is signed in and proves it again: what strangers do to an account never hinders them.
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
]

_TEN = (RateLimitItemPerMinute(10, 5),)
# A code has six digits: at twenty an hour all of them take years.
_CODES = (*_TEN, RateLimitItemPerHour(20))
_OF_ACCOUNT: dict[Act, tuple[RateLimitItem, ...]] = {
    "second-factor": _CODES,
    "step-up-code": _CODES,
    # Mail to strangers: how much one person sends, and how often one team writes to one address.
    "invite": (RateLimitItemPerHour(100), RateLimitItemPerDay(300)),
    "invite-to": (RateLimitItemPerHour(5),),
}
_OF_ADDRESS: dict[Act, tuple[RateLimitItem, ...]] = {
    # A challenge or a login that waits is no guess, but a row; and an office may share its address.
    "passkey": (RateLimitItemPerMinute(30, 5),),
    "device-login": (RateLimitItemPerMinute(30, 5),),
}
_logger = logging.getLogger(__name__)
_SORRY = "Reflow cannot count attempts right now. Nothing was changed. Try again in a few seconds."

Counter = tuple[RateLimitItem, str, str, str]


def hit(act: Act, *, account: str = "", address: str = "") -> None:
    """Count one try, before anything is checked and before the request writes; raise RateLimited beyond the limit.

    `account` is whatever names it: an e-mail address as typed, whether it exists or not, or a public id.
    `address` is the client's (`web.request_info`); leave it out for who is signed in. Each is counted by itself.
    A refused try counts too, and does not lengthen the wait. Raises Unavailable when it cannot be counted.
    """
    found = limiter()
    if found is None:
        return
    try:
        for item, *names in _counters(act, account, address):
            if not found.hit(item, *names):
                raise _refusal(found.get_window_stats(item, *names).reset_time)
    except found.storage.base_exceptions as error:
        raise Unavailable(_SORRY) from error


def give_back(act: Act, *, account: str = "", address: str = "") -> None:
    """Take back what `hit` counted, with the same words: the try was right, so it was no guess.

    Call it when the request writes nothing: before its first write, or after its commit.
    """
    found = limiter()
    if found is None:
        return
    try:
        for item, *names in _counters(act, account, address):
            _take_one(found.storage, item.key_for(*names), item.get_expiry())
    except found.storage.base_exceptions as error:
        # What was right is done already. A count that stays makes a later wait longer, and nothing wrong.
        _logger.warning("a count could not be given back: %s", type(error).__name__)


def _take_one(storage: Storage, key: str, expiry: int) -> None:
    # Where a new window has begun meanwhile there is nothing to give back: Redis would count below nothing,
    # and let through more than the limit.
    if storage.incr(key, expiry, -1) < 0:
        storage.incr(key, expiry, 1)


def prune() -> int:
    """Remove the counters whose window is over, in a transaction of its own, and return how many there were."""
    with db.engine.begin() as connection:
        return connection.execute(delete(LimitCount).where(LimitCount.ends_at <= now())).rowcount


def _counters(act: Act, account: str, address: str) -> list[Counter]:
    """List what a try counts on, the address first: one address alone cannot use up many accounts."""
    found: list[Counter] = []
    if address:
        found += [(item, act, "address", _network(address)) for item in _OF_ADDRESS.get(act, _TEN)]
    if account:
        found += [(item, act, "account", _digest(account)) for item in _OF_ACCOUNT.get(act, _TEN)]
    return found


def _network(address: str) -> str:
    """Return what one client holds: an IPv4 address, or the /64 of an IPv6 address."""
    try:
        found = ip_address(address)
    except ValueError:
        return _digest(address)
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ip_network((int(found), 64), strict=False).network_address)


def _digest(account: str) -> str:
    # What strangers typed is not to be read in the table, and may be longer than a key of it.
    name = text.folded(text.tidy(account))
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


def _refusal(ends_at: float) -> RateLimited:
    seconds = max(1, math.ceil(ends_at - time.time()))
    minutes = math.ceil(seconds / 60)
    wait = "1 minute" if minutes == 1 else f"{minutes} minutes"
    return RateLimited(f"Too many attempts. Try again in {wait}.", seconds)

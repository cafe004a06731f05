"""Checks of the URLs in settings."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def split(value: str, schemes: Collection[str]) -> SplitResult | None:
    """Return the parts of a URL with one of these schemes, a host and perhaps a port; None for any other text."""
    try:
        parts = urlsplit(value)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_whole and parts.scheme in schemes else None


def is_origin(value: str) -> bool:
    """Return whether `value` is scheme, host and perhaps port, without user, path or query (RFC 6454)."""
    parts = split(value, ("http", "https"))
    if parts is None or "@" in parts.netloc:
        return False
    return value == f"{parts.scheme}://{parts.netloc}"


def is_exposed(origin: str) -> bool:
    """Return whether requests to a valid origin travel unencrypted beyond this machine.

    A name other than localhost may lead anywhere, whatever it looks like.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    return parts.scheme == "http" and not is_loopback


def masked(value: str) -> str:
    """Return a URL without user, password, path and query; an empty text stays empty."""
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if value else ""

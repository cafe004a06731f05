"""Reads environment variables: known names, choices, numbers and URLs."""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

PREFIX = "REFLOW_"
# Variables of the server.
_SERVER = (
    "ALLOW_HTTP AWS_AGREEMENT_ENDPOINT AWS_LISTING_URL AWS_METERING_ENDPOINT AWS_PRODUCT_CODE AWS_QUEUE_URL "
    "AWS_SQS_ENDPOINT BASE_URL BREACHED_PASSWORDS_URL CLI_INSTALL DATABASE_URL ENV INSTANCE MAIL_FROM "
    "MAIL_SENDER MAIL_URL METRICS_TOKEN PASSWORD_ROUNDS RATELIMIT_STORAGE_URL RATE_LIMITS SECRET_KEY "
    "SECRET_KEY_FALLBACKS SQLITE_SYNCHRONOUS SUPPORT_EMAIL TRUSTED_PROXIES"
)
# Variables of the `reflow` command, which may be set in the same environment.
_COMMAND = "API_KEY COMPLETE INSECURE SERVER"
_TESTS = f"{PREFIX}TEST_"
KNOWN_NAMES = tuple(PREFIX + name for name in f"{_SERVER} {_COMMAND}".split())

# Several hosts, as libpq takes them: postgresql://user:password@one:5432,two:5432/name?target_session_attrs=read-write
_HOSTS = re.compile(
    r"(?P<start>postgresql(?:\+\w+)?://(?:[^@/?]*@)?)(?P<hosts>[^@/?]*,[^@/?]*)(?P<rest>[/?].*|)"
)
_EXAMPLE = "write postgresql://user:password@host/name, with %40 for an @ in the password."
_DRIVERS = {"postgresql": "psycopg", "sqlite": "pysqlite"}
# Parameters of libpq that are secrets (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS).
_SECRET_PARAMETERS = frozenset({"password", "sslpassword", "oauth_client_secret"})

_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A name or an IPv4 address, or an IPv6 address, which urlsplit has taken out of its brackets.
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|[0-9a-f.]*:[0-9a-f:.]*")


class ConfigError(Exception):
    """A missing, malformed or unknown setting. The message names the variable and valid values."""


def ensure_known_names(names: Iterable[str]) -> None:
    """Raise ConfigError for the first unknown name with our prefix; the message has a similar known name, if any."""
    for name in sorted(names):
        if not name.startswith(PREFIX) or name.startswith(_TESTS) or name in KNOWN_NAMES:
            continue
        # Without the prefix, which all have in common.
        known_suffixes = [known.removeprefix(PREFIX) for known in KNOWN_NAMES]
        similar = get_close_matches(name.removeprefix(PREFIX), known_suffixes, 1, cutoff=0.7)
        if similar:
            raise ConfigError(
                f"{name} is not a setting: did you mean {PREFIX}{similar[0]}? Correct or remove it."
            )
        raise ConfigError(f"{name} is not a setting: remove it. docs/configuration.md lists all settings.")


def choice(environ: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return a value among `choices`, of which the first is the default. Raises ConfigError."""
    value = environ.get(name) or choices[0]
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}; it is {value!r}.")
    return value


def one_line(environ: Mapping[str, str], name: str) -> str:
    """Return a text without control characters, "" by default. Raises ConfigError."""
    value = environ.get(name, "").strip()
    if not value.isprintable():
        raise ConfigError(f"{name} must be one line.")
    return value


def whole_number(environ: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """Return a whole number from `low` to `high`. Raises ConfigError."""
    value = environ.get(name) or str(default)
    if value not in map(str, range(low, high + 1)):
        raise ConfigError(f"{name} must be a whole number from {low} to {high}; it is {value[:20]!r}.")
    return int(value)


def split(value: str, schemes: Collection[str]) -> SplitResult | None:
    """Return the parts of a URL with one of these schemes, a host and perhaps a port; None for any other text."""
    try:
        parts = urlsplit(value)
        is_valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_valid and parts.scheme in schemes else None


def is_origin(value: str) -> bool:
    """Return whether `value` is scheme, ASCII host and perhaps port, without user, path or query (RFC 6454)."""
    parts = split(value, ("http", "https"))
    if parts is None or "@" in parts.netloc or value != f"{parts.scheme}://{parts.netloc}":
        return False
    return bool(_HOST.fullmatch(parts.hostname or ""))


def is_exposed(origin: str) -> bool:
    """Return whether requests to a valid origin travel unencrypted beyond this machine.

    Any name other than localhost may resolve to another machine.
    """
    parts = urlsplit(origin)
    host = parts.hostname or ""
    try:
        is_loopback = host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    return parts.scheme == "http" and not is_loopback


def mask_url(value: str) -> str:
    """Return a URL without user, password, path and query; an empty text stays empty."""
    parts = urlsplit(value)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}" if value else ""


def mask_database_url(value: str) -> str:
    """Return a database URL in which its password and secret parameters are hidden."""
    url = make_url(value)
    hidden_parameters = dict.fromkeys(url.query.keys() & _SECRET_PARAMETERS, "hidden")
    return url.set(query={**url.query, **hidden_parameters}).render_as_string(hide_password=True)


def database_address(name: str, value: str) -> str:
    """Return a database URL for SQLAlchemy. Raises ConfigError, which names the setting and omits the value.

    Several hosts are moved to the query, where SQLAlchemy expects them
    (https://docs.sqlalchemy.org/en/21/dialects/postgresql.html#specifying-multiple-fallback-hosts).
    """
    match = _HOSTS.fullmatch(value)
    if match and "[" in match["hosts"]:  # SQLAlchemy splits it at every colon
        raise ConfigError(f"{name} must list several hosts by name or IPv4 address.")
    if match:
        path, _, query = match["rest"].partition("?")
        hosts = [f"host={host}" for host in match["hosts"].split(",")]
        value = match["start"] + (path or "/") + "?" + "&".join([*hosts, *([query] if query else [])])
    try:
        url = make_url(value)
        driver = url.get_driver_name()
        if match:
            connect_arguments(url)
        if "@" in (url.host or ""):  # the rest of a password
            raise ValueError
    except (ArgumentError, NoSuchModuleError, ValueError):
        # The message omits the value: it may contain a password.
        raise ConfigError(f"{name} is not a database address: {_EXAMPLE}") from None
    if _DRIVERS.get(url.get_backend_name()) != driver:
        raise ConfigError(f"{name} must start with postgresql:// or sqlite:///; it is {url.drivername}.")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise ConfigError(f"{name} must name a file: an SQLite database in memory is lost at once.")
    if url.get_backend_name() == "sqlite":  # Flask-SQLAlchemy would resolve a relative path in another folder
        return str(url.set(database=str(Path(str(url.database)).absolute())))
    return value


def connect_arguments(url: URL) -> dict[str, Any]:
    """Return the connection parameters in a PostgreSQL URL, for libpq."""
    _, arguments = url.get_dialect()().create_connect_args(url)
    return {name: value for name, value in arguments.items() if name != "context"}

"""Reads environment variables: known names, choices and numbers."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

PREFIX = "REFLOW_"
# Variables of the server. REFLOW_AWS_… are checked in full, too.
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


class ConfigError(Exception):
    """A missing, malformed or unknown setting. The message names the variable and what is valid."""


def ensure_known_names(names: Iterable[str]) -> None:
    """Raise ConfigError for the first unknown name with our prefix, with the most similar known one."""
    for name in sorted(names):
        if not name.startswith(PREFIX) or name.startswith(_TESTS) or name in KNOWN_NAMES:
            continue
        similar = get_close_matches(name, KNOWN_NAMES, 1, cutoff=0)[0]
        raise ConfigError(f"{name} is not a setting: did you mean {similar}? Correct or remove it.")


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

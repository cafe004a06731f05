"""Constants shared by the server and the CLI: paths, format of secrets, error codes, exit codes."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from enum import IntEnum, StrEnum
from functools import cache

API_PREFIX = "/api/v1"

KEY_FILE_NAME = "reflow.key"
SERVER_LINE = "# server:"  # starts the line of a key file that names the only server for its key
# Header of an exported activity: the approximate number of entries that follow.
EXPORT_SIZE_HEADER = "X-Reflow-Entries"
# Header of every response to a key that ends in the next 14 days: its end (RFC 3339).
KEY_EXPIRES_HEADER = "X-Reflow-Key-Expires"

# Product name of a CI in the user agent of the CLI (RFC 9110, 10.1.5), and its display name.
CI_PRODUCTS = {
    "GitHub-Actions": "GitHub Actions",
    "GitLab-CI": "GitLab CI",
    "CircleCI": "CircleCI",
    "Buildkite": "Buildkite",
    "Jenkins": "Jenkins",
}

# A secret: a prefix for the kind, 43 random characters (256 bits), 6 characters of checksum.
KEY_PREFIX = "rfk_"
SESSION_PREFIX = "rfs_"
RANDOM_LENGTH = 43
CHECKSUM_LENGTH = 6
SECRET_LENGTH = len(KEY_PREFIX) + RANDOM_LENGTH + CHECKSUM_LENGTH

# RFC 8628, 3.4.
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

# Base 62 with the digits in ASCII order: 0-9 A-Z a-z.
ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHARACTERS = frozenset(ALPHABET)


def checksum(body: str) -> str:
    """Return the six base-62 characters that end a secret.

    `body` is everything before the checksum (prefix and random part, ASCII). The value is the
    CRC-32 of zlib, left-padded with "0". It detects typing errors only.
    """
    number = zlib.crc32(body.encode("ascii"))
    digits = ""
    while number:
        number, remainder = divmod(number, len(ALPHABET))
        digits = ALPHABET[remainder] + digits
    return digits.rjust(CHECKSUM_LENGTH, ALPHABET[0])


def is_well_formed(secret: str) -> bool:
    """Return whether `secret` has a known prefix, valid length and alphabet, and a correct checksum."""
    return (
        len(secret) == SECRET_LENGTH
        and secret.startswith((KEY_PREFIX, SESSION_PREFIX))
        and _CHARACTERS.issuperset(secret[len(KEY_PREFIX) :])
        and checksum(secret[:-CHECKSUM_LENGTH]) == secret[-CHECKSUM_LENGTH:]
    )


class Code(StrEnum):
    """The `code` of a problem document (RFC 9457)."""

    MISSING_CREDENTIALS = "missing_credentials"
    MALFORMED_KEY = "malformed_key"
    UNKNOWN_KEY = "unknown_key"
    REVOKED_KEY = "revoked_key"
    EXPIRED_KEY = "expired_key"
    ACCOUNT_DISABLED = "account_disabled"
    SUBSCRIPTION_INACTIVE = "subscription_inactive"
    INSUFFICIENT_RIGHTS = "insufficient_rights"
    NOT_FOUND = "not_found"
    GONE = "gone"
    CONFLICT = "conflict"
    VALIDATION_FAILED = "validation_failed"
    RATE_LIMITED = "rate_limited"
    INTERNAL_ERROR = "internal_error"
    UNAVAILABLE = "unavailable"
    # Protocol errors; clients need not distinguish them.
    BAD_REQUEST = "bad_request"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type"
    TOO_LARGE = "too_large"


class Exit(IntEnum):
    """Exit codes of `reflow`."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    NOT_SIGNED_IN = 4
    NOT_ALLOWED = 5
    NOT_FOUND = 6
    UNREACHABLE = 7


# Exported activity logs (docs/activity-log.md): the version of the format, and the fields of a line that the digests
# in the hash chain cover.
LOG_VERSION = 1
USE_FIELDS = ("id", "at", "account", "key", "method", "path", "status", "outcome", "address", "user_agent")
EVENT_FIELDS = ("id", "at", "action", "subject", "by", "address")
LINK_FIELDS = ("chain", "number", "previous", "kind", "first", "last", "count", "sha256")
FIRST_PREVIOUS = "0" * 64


def digest_of_fields(line: Mapping[str, object], fields: Iterable[str]) -> bytes:
    """Return the SHA-256 of these fields of a line as canonical JSON (RFC 8785, for text and whole numbers).

    Raises KeyError when a field is missing.
    """
    import hashlib

    text = _canonical_json()({name: line[name] for name in fields})
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


@cache
def _canonical_json() -> Callable[[object], str]:
    from json import JSONEncoder

    return JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

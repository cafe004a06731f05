"""AWS's own words: identifiers and codes, checked before a database or a log sees them."""

from reflow_accounts.subscriptions.models import LONGEST_AWS_ID


def word(value: object, longest: int = LONGEST_AWS_ID) -> str | None:
    """Return a value of AWS's that is printable ASCII of at most so many characters; None when it is not."""
    is_one = isinstance(value, str) and 0 < len(value) <= longest and value.isascii() and value.isprintable()
    return value if is_one and isinstance(value, str) else None


def licence_key_of(arn: object) -> str | None:
    """Return the `l-…` part of a licence's ARN, with or without its leading `arn:`; None when it has none."""
    key = word(str(arn).rpartition(":")[2])
    return key if key and key.startswith("l-") and len(key) >= 3 else None

"""Detection and removal of secrets in searches, URLs and names."""

import re

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX
from reflow_accounts.web import text

# Keys, CLI sessions and mailed links. Inside a word, as in "surfs_up", only with a tail long enough to be a secret.
_PREFIX = f"(?:{KEY_PREFIX}|{SESSION_PREFIX}|lnk_)"
_SECRET = re.compile(rf"(?<![0-9a-z_]){_PREFIX}|{_PREFIX}[0-9a-z_]{{20}}")


def holds_secret(value: str) -> bool:
    """Return whether a text contains a secret or most of one, in any case and compatibility form."""
    return _SECRET.search(text.folded(value)) is not None

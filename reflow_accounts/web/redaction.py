"""Secrets where none belongs: what people paste into a search, an address, a name."""

import re

from reflow_accounts.contract import KEY_PREFIX, SESSION_PREFIX
from reflow_accounts.web import text

# Keys, sessions of the command, mailed links. In the middle of a word, as in "surfs_up", only what has so long a
# tail that it would be of use to somebody.
_PREFIX = f"(?:{KEY_PREFIX}|{SESSION_PREFIX}|lnk_)"
_SECRET = re.compile(rf"(?<![0-9a-z_]){_PREFIX}|{_PREFIX}[0-9a-z_]{{20}}")


def holds_secret(words: str) -> bool:
    """Say whether somebody pasted a secret, or most of one, where words are asked for.

    Letters of any size or form, since a keyboard may have made capitals.
    """
    return _SECRET.search(text.folded(words)) is not None

"""Public ids: opaque, random, with a prefix that says the kind. Sequence numbers never leave the database."""

import secrets
from collections.abc import Callable

from reflow_accounts.contract import ALPHABET

RANDOM_LENGTH = 16


def public_id(kind: str) -> Callable[[], str]:
    """Return a maker of ids such as `key_4f…` (95 random bits) for a column default."""

    def make() -> str:
        return f"{kind}_" + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))

    return make

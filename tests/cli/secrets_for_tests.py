"""Well-formed secrets that no server knows."""

import secrets

from reflow_accounts.contract import ALPHABET, KEY_PREFIX, RANDOM_LENGTH, SESSION_PREFIX, checksum


def made_up_key() -> str:
    return _made_up(KEY_PREFIX)


def made_up_session() -> str:
    return _made_up(SESSION_PREFIX)


def _made_up(prefix: str) -> str:
    body = prefix + "".join(secrets.choice(ALPHABET) for _ in range(RANDOM_LENGTH))
    return body + checksum(body)

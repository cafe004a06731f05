"""Recovery codes: ten single-use codes in place of the authenticator app; only digests are stored."""

import secrets
from datetime import datetime

from sqlalchemy import delete, func, select, update

from reflow_accounts.audit.actions import Action
from reflow_accounts.audit.service import record
from reflow_accounts.auth.login import lock_person
from reflow_accounts.auth.models import RecoveryCode
from reflow_accounts.auth.secrets import digest_of
from reflow_accounts.auth.security_mails import mail_notice
from reflow_accounts.database import affected_rows, db, now
from reflow_accounts.errors import Conflict
from reflow_accounts.users.models import User
from reflow_accounts.web.request_info import Client

CODES = 10
# No similar characters; 24 characters from these 30 have 117 bits.
_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"  # pragma: allowlist secret
_GROUPS, _GROUP_LENGTH = 4, 6
_LENGTH = _GROUPS * _GROUP_LENGTH


def issue(user: User) -> list[str]:
    """Create ten codes and return them; only their digests are stored."""
    codes = [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
        for _ in range(CODES)
    ]
    at = now()
    # A plain fast hash is enough above 112 random bits (OWASP ASVS 5.0, 6.5.2).
    digests = [digest_of(_tidy_code(code)) for code in codes]
    db.session.add_all(RecoveryCode(user_id=user.id, digest=digest, created_at=at) for digest in digests)
    db.session.flush()
    return codes


def renew(user: User, created_at: datetime | None) -> list[str]:
    """Replace the codes that were created at `created_at` by ten new codes and return them.

    Raises Conflict if the codes were replaced since then, so that repeating a form has no effect.
    """
    statement = delete(RecoveryCode).where(
        RecoveryCode.user_id == user.id, RecoveryCode.created_at == created_at
    )
    if not affected_rows(statement):
        raise Conflict("New recovery codes were already made. They cannot be shown again.")
    return issue(user)


def made_at(user: User) -> datetime | None:
    """Return the creation time of the user's codes, or None without codes."""
    return db.session.scalar(select(func.max(RecoveryCode.created_at)).where(RecoveryCode.user_id == user.id))


def count_left(user: User) -> int:
    """Return the number of unused codes."""
    query = select(func.count()).where(RecoveryCode.user_id == user.id, RecoveryCode.used_at.is_(None))
    return db.session.scalar(query) or 0


def last_used_at(user: User) -> datetime | None:
    """Return when the user last used a code, or None."""
    return db.session.scalar(select(func.max(RecoveryCode.used_at)).where(RecoveryCode.user_id == user.id))


def accept(user: User, code: str, *, client: Client) -> bool:
    """Use a code of the user; False if it is wrong or used. Of two concurrent uses one succeeds.

    Locks the person until the transaction ends.
    """
    tidy_code = _tidy_code(code)
    if len(tidy_code) != _LENGTH or not tidy_code.isascii():
        return False
    # Before the code, as turning off the second factor does.
    lock_person(user)
    statement = (
        update(RecoveryCode)
        .where(
            RecoveryCode.user_id == user.id,
            RecoveryCode.digest == digest_of(tidy_code),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now())
    )
    if not affected_rows(statement):
        return False
    left = count_left(user)
    record(Action.RECOVERY_CODE_USED, by=user, account=user, address=client.address, left=left)
    mail_notice(user, f"A recovery code was used. You have {left} left.", client)
    return True


def forget(user: User) -> None:
    """Delete all codes of the user."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def _tidy_code(code: str) -> str:
    return "".join(code[:100].lower().replace("-", " ").split())

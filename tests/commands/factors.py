"""Give a person every kind of second factor, straight into the database."""

from flask import Flask

from reflow_accounts.auth.models import Passkey, PasskeyChallenge, RecoveryCode
from reflow_accounts.database import db, now
from tests.factories import Person

KINDS = (Passkey, PasskeyChallenge, RecoveryCode)


def give_factors(app: Flask, person: Person) -> None:
    """Set up an authenticator app, a recovery code, a passkey and a challenge under way."""
    mark = person.id.encode()
    person.change(totp_secret=b"sealed", totp_on_at=now(), totp_step=1)
    with app.app_context():
        user_id = person.number
        db.session.add_all(
            [
                RecoveryCode(user_id=user_id, digest=mark.ljust(32, b"x")),
                Passkey(user_id=user_id, name="Phone", credential_id=mark, public_key=b"k", sign_count=0),
                PasskeyChallenge(user_id=user_id, value=mark, expires_at=now()),
            ]
        )
        db.session.commit()

"""An authenticator app, and a function that turns on two-factor authentication with it."""

from dataclasses import dataclass, replace

import pyotp

from reflow_accounts.auth import second_factor
from reflow_accounts.database import db, now
from tests.factories import CLIENT, Person

STEP_SECONDS = 30


@dataclass(frozen=True)
class AuthenticatorApp:
    """The app with the secret of one account, and the account's recovery codes."""

    secret: str
    recovery_codes: tuple[str, ...] = ()

    def code(self, steps: int = 0) -> str:
        """Return the current code, or that of `steps` time steps later."""
        return pyotp.TOTP(self.secret).at(now(), counter_offset=steps)


def turn_on(person: Person, secret: str = "") -> AuthenticatorApp:
    """Turn on the second factor with the code of the previous step, so that the current code stays unused."""
    with person.app.app_context():
        user = person.row()
        setup = second_factor.new_setup(user)
        if secret:
            setup = replace(setup, secret=secret)
        code = AuthenticatorApp(setup.secret).code(-1)
        codes = second_factor.turn_on(user, setup, code, by=user, client=CLIENT)
        db.session.commit()
    return AuthenticatorApp(setup.secret, tuple(codes))

"""Signing in with a passkey, without a password."""

from typing import Any

from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.extensions import db
from reflow_accounts.identity import passkeys
from reflow_accounts.identity.forms import CredentialForm, LoginForm
from reflow_accounts.identity.pages.blueprints import public
from reflow_accounts.identity.pages.sign_in import begin, show_login
from reflow_accounts.identity.passkeys import Site
from reflow_accounts.web import addresses

# The same for every reason: it does not say which passkeys are known.
WRONG = "This passkey cannot be used here. Log in with your email and password"

Answer = str | AnyResponse | tuple[str, int]


@public.post("/login/passkey/options")
def passkey_options() -> dict[str, Any]:
    """Give the browser a challenge that any passkey of this site may sign."""
    options = passkeys.options_to_verify(Site.at(addresses.origin()))
    db.session.commit()
    return options


@public.post("/login/passkey")
def log_in_with_passkey() -> Answer:
    """Begin the session of the passkey's owner. It counts as both factors."""
    credential = CredentialForm().credential.data or ""
    passkey = passkeys.verify(credential, Site.at(addresses.origin()))
    if passkey:
        return begin(passkey.user)
    # A challenge is used up by a wrong answer, too.
    db.session.commit()
    form = LoginForm(formdata=None)
    form.form_errors = [WRONG]
    return show_login(form), 422

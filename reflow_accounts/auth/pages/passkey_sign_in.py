"""Signing in with a passkey, without a password."""

from typing import Any

from flask import Blueprint
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.auth import passkeys
from reflow_accounts.auth.forms import CredentialForm, LoginForm
from reflow_accounts.auth.models import Factor
from reflow_accounts.auth.pages.sign_in import begin, show_login
from reflow_accounts.auth.passkeys import Site
from reflow_accounts.database import db
from reflow_accounts.errors import RateLimited
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.web import redirects
from reflow_accounts.web.request_info import client

blueprint = Blueprint("passkey_login", __name__)

# The same for every reason: it does not say which passkeys are known.
WRONG = "This passkey cannot be used here. Log in with your email and password"

Answer = str | AnyResponse | tuple[str, int] | tuple[str, int, dict[str, str]]


@blueprint.post("/login/passkey/options")
def passkey_options() -> dict[str, Any]:
    """Give the browser a challenge that any passkey of this site may sign."""
    rate_limits.hit("passkey", address=client().address)
    options = passkeys.options_to_verify(Site.at(redirects.origin()))
    db.session.commit()
    return options


@blueprint.post("/login/passkey")
def log_in_with_passkey() -> Answer:
    """Begin the session of the passkey's owner. It counts as both factors."""
    credential = CredentialForm().credential.data or ""
    address = client().address
    try:
        if not credential:
            # The browser got no challenge: when there were too many, it is said here.
            rate_limits.hit("passkey", address=address)
    except RateLimited as limited:
        return _refuse(str(limited)), limited.status, {"Retry-After": str(limited.retry_after)}
    passkey = passkeys.verify(credential, Site.at(redirects.origin()))
    if passkey:
        answer = begin(passkey.user, Factor.PASSKEY)
        rate_limits.give_back("passkey", address=address)
        return answer
    # A challenge is used up by a wrong answer, too.
    db.session.commit()
    return _refuse(WRONG), 422


def _refuse(sentence: str) -> str:
    form = LoginForm(formdata=None)
    form.form_errors = [sentence]
    return show_login(form)

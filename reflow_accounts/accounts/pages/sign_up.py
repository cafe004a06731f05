"""Sign up: the form, and the page behind the link that is mailed."""

import secrets

from flask import redirect, render_template, session, url_for
from werkzeug.wrappers import Response as AnyResponse

from reflow_accounts.accounts import signing_up
from reflow_accounts.accounts.forms import PasswordForm, SignUpForm
from reflow_accounts.accounts.pages.blueprints import public
from reflow_accounts.errors import Gone, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity import signed_in
from reflow_accounts.identity.mail_links import find_link
from reflow_accounts.identity.models import Factor, LinkPurpose, MailLink
from reflow_accounts.identity.pages.sign_in import sign_in
from reflow_accounts.identity.passwords import hasher
from reflow_accounts.limits import service as limits
from reflow_accounts.mail import tokens
from reflow_accounts.web.client import client

# What the browser that signed up keeps in its signed cookie, to be known again when the link is opened.
_MARKER = "signed_up"
_MARKER_BYTES = 16

Answer = str | AnyResponse | tuple[str, int]


@public.get("/signup")
def signup() -> Answer:
    """Show the form."""
    if signed_in.current_session():
        return redirect(url_for("account.profile.show"), 303)
    return render_template("accounts/signup.html", form=SignUpForm())


@public.post("/signup")
def sign_up() -> Answer:
    """Keep what was typed until the mailed link is opened; the answer is the same for every address."""
    if signed_in.current_session():
        return redirect(url_for("account.profile.show"), 303)
    form = SignUpForm()
    typed = [(form[name].data or "") for name in ("full_name", "email", "team_name", "password")]
    limits.hit("sign-up", account=form.email.data or "", address=client().address)
    marker = session.setdefault(_MARKER, secrets.token_urlsafe(_MARKER_BYTES))
    try:
        signing_up.ask(*typed, hasher=hasher(), marker=marker)
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("accounts/signup.html", form=form), 422
    db.session.commit()
    return render_template("accounts/check_email.html", email=form.email.data)


@public.get("/verify-email/<token>")
def show_link(token: str) -> Answer:
    """Ask whether to begin the account; only the button does it, so that no program that looks at links can."""
    link = _link(token)
    if link is None:
        return _dead_link()
    return _page(link, PasswordForm())


@public.post("/verify-email/<token>")
def verify(token: str) -> Answer:
    """Begin the account and sign in."""
    link = _link(token)
    if link is None:
        return _dead_link()
    form = PasswordForm()
    asks_password = _asks_password(link)
    if asks_password and not _is_right(form.password.data or "", link):
        form.password.errors = ["Password is not correct"]
        return _page(link, form), 422
    try:
        user = signing_up.confirm(link, client=client())
    except Gone:
        db.session.rollback()
        return _dead_link()
    factors = [Factor.MAILED_LINK, Factor.PASSWORD] if asks_password else [Factor.MAILED_LINK]
    return sign_in(user, *factors)


def _link(token: str) -> MailLink | None:
    return find_link(tokens.read(token, LinkPurpose.SIGN_UP), LinkPurpose.SIGN_UP)


def _is_right(password: str, link: MailLink) -> bool:
    # Who has the link is known by it: the address that it is opened from says nothing more.
    limits.hit("sign-up", account=link.public_id)
    return hasher().matches(password, link.data["password_hash"])


def _asks_password(link: MailLink) -> bool:
    return not signing_up.is_from(link, session.get(_MARKER))


def _page(link: MailLink, form: PasswordForm) -> str:
    return render_template("accounts/verify.html", link=link, form=form, asks_password=_asks_password(link))


def _dead_link() -> Answer:
    return render_template("identity/dead_link.html", purpose=LinkPurpose.SIGN_UP), 410

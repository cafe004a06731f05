"""Entry points of the application: URL prefix, authorization and blueprints of each."""

from flask import Blueprint, Flask, abort, current_app, flash, redirect, request, url_for
from flask_login import current_user as browser
from flask_wtf.csrf import CSRFError
from werkzeug.wrappers import Response

from reflow_accounts import distribution
from reflow_accounts.activity import api as activity_api
from reflow_accounts.activity import pages as activity_pages
from reflow_accounts.api_auth import api as api_auth_api
from reflow_accounts.api_auth import bearer
from reflow_accounts.api_keys import api as api_keys_api
from reflow_accounts.api_keys.pages import ci_key, keys
from reflow_accounts.auth import api as auth_api
from reflow_accounts.auth.current_user import Caller, current_user, set_caller
from reflow_accounts.auth.login_manager import ask_to_log_in, was_signed_in
from reflow_accounts.auth.pages import (
    confirmation,
    device_login,
    passkeys,
    reset,
    second_factor,
    security,
    sign_in,
)
from reflow_accounts.auth.second_factor import has_second_factor
from reflow_accounts.auth.step_up import ensure_open_console
from reflow_accounts.contract import API_PREFIX
from reflow_accounts.errors import Conflict
from reflow_accounts.help import pages as help_pages
from reflow_accounts.marketplace import pages as marketplace_pages
from reflow_accounts.monitoring import pages as monitoring_pages
from reflow_accounts.subscriptions import pages as subscriptions_pages
from reflow_accounts.support import api as support_api
from reflow_accounts.support.pages import console, subscription
from reflow_accounts.teams import api as teams_api
from reflow_accounts.teams.pages import joining, service_accounts, team
from reflow_accounts.users.pages import profile, sign_up
from reflow_accounts.web import htmx
from reflow_accounts.web.csrf import check_csrf
from reflow_accounts.web.error_handlers import stale_page
from reflow_accounts.web.openapi import api as openapi


def require_login() -> Response | None:
    """Require a session, and check the CSRF token."""
    if not browser.is_authenticated:
        return ask_to_log_in()
    if htmx.person() not in ("", browser.user.public_id):
        sentence = f"You are signed in as {browser.user.full_name} now, in another tab. Nothing was changed."
        return stale_page(Conflict.status, sentence)
    set_caller(Caller(browser.user.id, session=browser.session))
    check_csrf()
    return None


def require_staff() -> Response | None:
    """Require a staff session with recent authentication.

    Others get 404. With an ended session, which may be that of staff, redirects to the log-in page.
    """
    is_staff = browser.is_authenticated and browser.user.is_staff
    if not is_staff and (browser.is_authenticated or not was_signed_in()):
        abort(404)
    if answer := require_login():
        return answer
    # Development needs no second factor.
    if current_app.config["SETTINGS"].is_production and not has_second_factor(current_user()):
        flash(
            "The support console needs a second factor. Set up an authenticator app or add a passkey.",
            "needed",
        )
        return htmx.go_to(url_for("account.security.show"))
    ensure_open_console()
    return None


def check_form() -> Response | None:
    """Check the CSRF token. Signing out again, in another tab, is no error: it leads to the log-in page."""
    try:
        check_csrf()
    except CSRFError:
        if request.endpoint != "public.auth.logout" or browser.is_authenticated:
            raise
        return redirect(url_for("public.auth.login"), 303)
    return None


def allow_everybody() -> None:
    """Allow cross-site requests: webhooks verify their requests themselves and ignore cookies."""


BLUEPRINTS = {
    "public": (
        sign_in.blueprint,
        reset.blueprint,
        sign_up.blueprint,
        profile.email_links,
        joining.blueprint,
        help_pages.pages,
        monitoring_pages.blueprint,
        distribution.blueprint,
        marketplace_pages.public,
    ),
    "webhooks": (marketplace_pages.webhooks,),
    "account": (
        profile.blueprint,
        confirmation.blueprint,
        security.blueprint,
        second_factor.blueprint,
        passkeys.blueprint,
        keys.own_keys,
        keys.account_keys,
        ci_key.blueprint,
        keys.outcome,
        team.blueprint,
        service_accounts.blueprint,
        subscriptions_pages.pages,
        activity_pages.pages,
    ),
    "device": (device_login.blueprint,),
    "support": (console.blueprint, subscription.blueprint),
}
BEFORE_REQUEST = {
    "public": check_form,
    "webhooks": allow_everybody,
    "account": require_login,
    # Like account, with a short URL to type.
    "device": require_login,
    "support": require_staff,
}
URL_PREFIXES = {
    "public": "",
    "webhooks": "/marketplace",
    "account": "/account",
    "device": "/device",
    "support": "/support",
}

API_BLUEPRINTS = (
    api_auth_api.blueprint,
    api_keys_api.blueprint,
    teams_api.teams_blueprint,
    teams_api.service_accounts_blueprint,
    activity_api.blueprint,
    support_api.blueprint,
    auth_api.sessions_blueprint,
    auth_api.device_blueprint,
)


def register_blueprints(app: Flask) -> None:
    """Register all blueprints with their entry points, and the request handlers of the API."""
    for name, blueprints in BLUEPRINTS.items():
        entry_point = Blueprint(name, __name__, url_prefix=URL_PREFIXES[name] or None)
        entry_point.before_request(BEFORE_REQUEST[name])
        for blueprint in blueprints:
            entry_point.register_blueprint(blueprint)
        if name == "account":
            entry_point.context_processor(subscriptions_pages.team_and_subscription)
        if name == "public":
            # A function, so that only pages that use it query the database.
            entry_point.context_processor(lambda: {"comes_from_aws": marketplace_pages.has_claim})
        app.register_blueprint(entry_point)
    app.before_request(bearer.authenticate_request)
    app.after_request(bearer.record_use)
    for blueprint in API_BLUEPRINTS:
        openapi.register_blueprint(blueprint, url_prefix=API_PREFIX)

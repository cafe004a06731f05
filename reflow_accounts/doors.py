"""The doors: each way into the application, its guard, and the rooms that hang on it."""

from flask import Blueprint, Flask, abort, current_app, flash, redirect, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from reflow_accounts.accounts import pages as accounts_pages
from reflow_accounts.activity import api as activity_api
from reflow_accounts.activity import pages as activity_pages
from reflow_accounts.api_auth import api as api_auth_api
from reflow_accounts.api_auth import bearer
from reflow_accounts.api_keys import api as api_keys_api
from reflow_accounts.api_keys import pages as api_keys_pages
from reflow_accounts.contract import API_PREFIX
from reflow_accounts.help import pages as help_pages
from reflow_accounts.identity import api as identity_api
from reflow_accounts.identity import pages as identity_pages
from reflow_accounts.identity.caller import Caller, me, set_caller
from reflow_accounts.identity.second_factor import has_second_factor
from reflow_accounts.identity.signed_in import ask_to_log_in, was_signed_in
from reflow_accounts.identity.step_up import ensure_open_console
from reflow_accounts.marketplace import pages as marketplace_pages
from reflow_accounts.members import api as members_api
from reflow_accounts.members import pages as members_pages
from reflow_accounts.service_accounts import api as service_accounts_api
from reflow_accounts.service_accounts import pages as service_accounts_pages
from reflow_accounts.subscriptions import pages as subscriptions_pages
from reflow_accounts.subscriptions.heading import heading
from reflow_accounts.support import api as support_api
from reflow_accounts.support import pages as support_pages
from reflow_accounts.web import health, htmx
from reflow_accounts.web.documents import api as documents
from reflow_accounts.web.forgery import refuse_forgery


def guard_account() -> Response | None:
    """Let in who is signed in."""
    if not current_user.is_authenticated:
        return ask_to_log_in()
    set_caller(Caller(current_user.user.id, session=current_user.session))
    refuse_forgery()
    return None


def guard_support() -> Response | None:
    """Let in staff who proved it not long ago.

    To everybody else the console does not exist; a session that ended may be staff's.
    """
    is_staff = current_user.is_authenticated and current_user.user.is_staff
    if not is_staff and (current_user.is_authenticated or not was_signed_in()):
        abort(404)
    answer = guard_account() or _ask_for_second_factor()
    if answer is None:
        ensure_open_console()
    return answer


def guard_webhooks() -> None:
    """Let in whom another site sends: the caller's own proof is in the request, and our cookies prove nothing."""


def _ask_for_second_factor() -> Response | None:
    """Lead staff without a second factor to where they get one; in development the console works without."""
    if not current_app.config["SETTINGS"].is_production or has_second_factor(me()):
        return None
    flash(
        "The support console needs a second factor. Set up an authenticator app or add a passkey.", "needed"
    )
    address = url_for("account.security.show")
    return htmx.go_to(address) if htmx.is_htmx() else redirect(address, 303)


ROOMS_BY_DOOR = {
    "public": (
        identity_pages.public,
        accounts_pages.public,
        members_pages.public,
        help_pages.pages,
        health.pages,
        marketplace_pages.public,
    ),
    "webhooks": (marketplace_pages.webhooks,),
    "account": (
        identity_pages.account,
        identity_pages.security,
        accounts_pages.account,
        api_keys_pages.pages,
        members_pages.account,
        service_accounts_pages.pages,
        subscriptions_pages.pages,
        activity_pages.pages,
    ),
    "device": (identity_pages.device,),
    "support": (support_pages.pages,),
}
GUARDS = {
    "public": refuse_forgery,
    "webhooks": guard_webhooks,
    "account": guard_account,
    # The account's guard, at an address that people type from a terminal.
    "device": guard_account,
    "support": guard_support,
}
ADDRESSES = {
    "public": "",
    "webhooks": "/marketplace",
    "account": "/account",
    "device": "/device",
    "support": "/support",
}

API_ROOMS = (
    api_auth_api.blueprint,
    api_keys_api.blueprint,
    members_api.blueprint,
    service_accounts_api.blueprint,
    activity_api.blueprint,
    support_api.blueprint,
    identity_api.sessions,
    identity_api.device,
)


def open_doors(app: Flask) -> None:
    """Hang every room on its door, and every door, guarded, on the application."""
    for name, rooms in ROOMS_BY_DOOR.items():
        door = Blueprint(name, __name__, url_prefix=ADDRESSES[name] or None)
        door.before_request(GUARDS[name])
        for room in rooms:
            door.register_blueprint(room)
        if name == "account":
            door.context_processor(heading)
        if name == "public":
            # Asked by the pages that say so: others need no database for it.
            door.context_processor(lambda: {"comes_from_aws": marketplace_pages.has_claim})
        app.register_blueprint(door)
    app.before_request(bearer.authenticate_request)
    app.after_request(bearer.record_use)
    for blueprint in API_ROOMS:
        documents.register_blueprint(blueprint, url_prefix=API_PREFIX)

"""Registration of AWS Marketplace buyers: the form post by AWS, and the page that connects a purchase to a team."""

import logging
import math

from flask import Blueprint, current_app, flash, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.wrappers import Response
from wtforms import RadioField, StringField

from reflow_accounts.auth import login_manager
from reflow_accounts.aws_settings import AwsSettings
from reflow_accounts.config import Settings
from reflow_accounts.database import db
from reflow_accounts.errors import (
    Conflict,
    DomainError,
    Gone,
    InsufficientRights,
    NotFound,
    RateLimited,
    Unavailable,
    ValidationFailed,
)
from reflow_accounts.marketplace import aws_client, registration
from reflow_accounts.marketplace.models import Claim
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.teams.models import Team
from reflow_accounts.teams.service import choose, membership_of, memberships_of
from reflow_accounts.users.models import User
from reflow_accounts.web.error_handlers import database_error, domain_error
from reflow_accounts.web.redirects import continues_after_sign_in
from reflow_accounts.web.request_info import client
from reflow_accounts.web.request_input import Form

webhooks = Blueprint("aws", __name__)
public = Blueprint("registration", __name__)


# Form fields that AWS posts.
_TOKEN, _OFFER = "x-amzn-marketplace-token", "x-amzn-marketplace-offer-type"
_LONGEST_TOKEN = 4096
_logger = logging.getLogger(__name__)
NEW_TEAM = "new"


class ConnectForm(Form):
    """`team` is a team's id, or `new` with its name."""

    team = RadioField("Team", validate_choice=False)
    team_name = StringField("Team name")


# The name of a failed registration for its template, and the status.
_PROBLEMS = {
    aws_client.TokenInvalid: ("invalid", 400),
    aws_client.TokenExpired: ("expired", 410),
    aws_client.Disabled: ("away", 503),
    aws_client.AwsAway: ("away", 503),
    registration.ForeignProduct: ("foreign", 400),
}


@webhooks.get("/aws")
def explain() -> ResponseReturnValue:
    """Redirect people who open this URL in a browser to the registration page."""
    return redirect(url_for("public.registration.show"), 303)


@webhooks.post("/aws")
def register() -> ResponseReturnValue:
    """Start the registration of a buyer and redirect to the page that connects the purchase.

    The form comes from the AWS site, without our cookies. Its token proves the purchase and is resolved immediately.
    """
    settings: AwsSettings = current_app.config["SETTINGS"].aws
    rate_limits.hit("registration", address=client().address)
    token = request.form.get(_TOKEN, "")
    if not settings.takes_registrations:
        return _problem_page("unconfigured", 404)
    if not token or len(token) > _LONGEST_TOKEN:
        return _problem_page(*_PROBLEMS[aws_client.TokenInvalid])
    try:
        secret = registration.begin(settings, token, request.form.get(_OFFER, ""))
    except tuple(_PROBLEMS) as error:
        db.session.rollback()
        _logger.warning("a registration from AWS Marketplace failed: %s", str(error) or type(error).__name__)
        return _problem_page(*_PROBLEMS[type(error)])
    db.session.commit()
    response = redirect(url_for("public.registration.show"), 303)
    # Lax, because the navigation starts on the AWS site. The value is random, so it needs no signature.
    response.set_cookie(
        cookie_name(),
        secret,
        max_age=registration.LIFETIME,
        httponly=True,
        secure=_is_https(),
        samesite="Lax",
    )
    return response


@public.get("/registration")
def show() -> ResponseReturnValue:
    """Ask for the team of the purchase; without a session, redirect to sign-up."""
    claim = registration.find_claim(_secret())
    if claim is None:
        return _problem_page("none", 404)
    session = login_manager.current_session()
    if session is None:
        return redirect(url_for("public.users.signup", next=url_for("public.registration.show")), 303)
    team = registration.team_that_has(claim)
    if team:
        is_member = any(row.team_id == team.id for row in memberships_of(session.user))
        return _redirect_to_subscription(team) if is_member else _problem_page("taken", 409)
    return _render_form(claim, session.user, ConnectForm(formdata=None))


@public.post("/registration")
def connect() -> ResponseReturnValue:
    """Connect the purchase to a team."""
    claim, session = registration.find_claim(_secret()), login_manager.current_session()
    if claim is None or session is None:
        return show()
    form = ConnectForm()
    team_id = "" if form.team.data == NEW_TEAM else form.team.data or "?"
    try:
        team = registration.connect(
            claim, team_id, form.team_name.data or "", by=session.user, client=client()
        )
    except (ValidationFailed, NotFound, InsufficientRights) as error:
        db.session.rollback()
        form.show(_fault_of(error, session.user))
        return _render_form(claim, session.user, form), 403 if isinstance(error, InsufficientRights) else 422
    except (Conflict, Gone):
        # The purchase was connected in another tab or by another person.
        db.session.rollback()
        return show()
    choose(membership_of(session.user, team.public_id))
    db.session.commit()
    return _redirect_to_subscription(team)


def _fault_of(error: DomainError, user: User) -> ValidationFailed:
    """Return the error at a field of the form, which offers only the teams that the user is Admin of now."""
    if isinstance(error, ValidationFailed):
        return error
    if not registration.teams_of_admin(user):
        return ValidationFailed(team_name="You are not Admin of that team. Enter a name for a new one")
    is_no_admin = isinstance(error, InsufficientRights)
    return ValidationFailed(
        team="You are not Admin of that team. Choose another one" if is_no_admin else "Choose a team"
    )


def cookie_name() -> str:
    """Return the name of the cookie with the secret of a claim."""
    name: str = current_app.config["CLAIM_COOKIE_NAME"]
    return name


def has_claim() -> bool:
    """Return whether the browser has a claim of a purchase that has no team."""
    return registration.is_unconnected(_secret())


@continues_after_sign_in
def page_after_sign_in() -> str | None:
    """Return the URL of the registration page while a purchase has no team, or None."""
    return url_for("public.registration.show") if has_claim() else None


def _render_form(claim: Claim, user: User, form: ConnectForm) -> str:
    teams = registration.teams_of_admin(user)
    form.team.choices = [(team.public_id, team.name) for team in teams] + [(NEW_TEAM, "A new team")]
    if form.team.data is None:
        form.team.data = teams[0].public_id if len(teams) == 1 else None if teams else NEW_TEAM
    is_only_member = not teams and bool(memberships_of(user))
    return render_template(
        "marketplace/registration.html",
        form=form,
        claim=claim,
        has_ended=registration.has_ended(claim),
        is_only_member=is_only_member,
    )


def _redirect_to_subscription(team: Team) -> Response:
    # The claim stays, so that sending the form twice leads here twice. A form in another tab may name another team.
    if request.method == "POST":
        flash(f"{team.name} is connected to your AWS Marketplace subscription.", "subscription-connected")
    return redirect(url_for("account.subscription.show", team=team.public_id), 303)


def _busy_response(error: Exception) -> Response:
    """Return the response to a rate-limit or database error, with a page for buyers."""
    response = domain_error(error) if isinstance(error, DomainError) else database_error(error)
    if response.status_code in (429, 503):
        minutes = math.ceil(error.retry_after / 60) if isinstance(error, RateLimited) else 1
        wait = "a minute" if minutes == 1 else f"{minutes} minutes"
        response.set_data(render_template("marketplace/problem.html", problem="busy", wait=wait))
    return response


for _blueprint in (webhooks, public):
    for _kind in (RateLimited, Unavailable, DBAPIError, PoolTimeoutError):
        _blueprint.register_error_handler(_kind, _busy_response)


def _problem_page(name: str, status: int) -> Response:
    response = make_response(render_template("marketplace/problem.html", problem=name), status)
    # The cookie is of no more use: the button in AWS starts a new registration.
    if name in ("none", "taken") and _secret():
        response.delete_cookie(cookie_name(), httponly=True, secure=_is_https(), samesite="Lax")
    return response


def _secret() -> str | None:
    return request.cookies.get(cookie_name())


def _is_https() -> bool:
    settings: Settings = current_app.config["SETTINGS"]
    return settings.is_https

"""The API Keys tab: the table, the create dialog, the reveal, the bin."""

from typing import cast

from flask import (
    Blueprint,
    flash,
    get_flashed_messages,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.errors import Conflict, SubscriptionInactive, ValidationFailed
from reflow_accounts.extensions import db
from reflow_accounts.identity.caller import me
from reflow_accounts.identity.step_up import ensure_recent_proof
from reflow_accounts.subscriptions.service import has_active_subscription
from reflow_accounts.web import htmx
from reflow_accounts.web.client import client
from reflow_accounts.web.paging import Page

pages = Blueprint("api_keys", __name__, url_prefix="/api-keys")

Answer = str | Response | tuple[str, int]


@pages.get("")
def index() -> Answer:
    """List the keys."""
    table = _table(*_shown())
    page = table["page"]
    assert isinstance(page, Page)
    created = request.args.get("created")
    new_key = next((row.key for row in page.items if row.key.public_id == created), None)
    return render_template("api_keys/index.html", **table, new_key=new_key, revoked=_flashed())


@pages.get("/new")
def new() -> Answer:
    """Ask for the name of a new key."""
    if not has_active_subscription(me()):
        return _inactive()
    return render_template("api_keys/new.html", form=KeyForm(formdata=None))


@pages.post("")
def create() -> Answer:
    """Make a key and show its secret, this once."""
    ensure_recent_proof()
    form = KeyForm()
    try:
        key, secret = service.issue(
            me(), form.name.data or "", by=me(), client=client(), nonce=form.nonce.data or ""
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("api_keys/new.html", form=form), 422
    except SubscriptionInactive:
        return _inactive()
    except Conflict as conflict:
        db.session.rollback()
        return render_template("api_keys/repeated.html", sentence=str(conflict)), 409
    db.session.commit()
    return _reveal(key, secret), 201 if htmx.is_htmx() else 200


@pages.get("/<key_id>/revocation")
def revocation(key_id: str) -> Answer:
    """Ask before a key is revoked."""
    key = service.key_of(me(), key_id)
    if key.revoked_at:
        return render_template("api_keys/already_revoked.html", key=key, **_table(*_shown()))
    name, cursor = _shown()
    row = service.with_tallies([key])[0]
    return render_template("api_keys/revocation.html", row=row, name=name, cursor=cursor)


@pages.post("/<key_id>/revocation")
def revoke(key_id: str) -> Answer:
    """Revoke a key. Revoking a revoked one has the same end."""
    key = service.key_of(me(), key_id)
    was_live = service.revoke(key, by=me(), client=client())
    db.session.commit()
    return _revoked(key, was_live)


def _shown() -> tuple[str, str | None]:
    """Return which part of the table is on the screen: the filter, and the page's cursor."""
    return request.values.get("name", "").strip(), request.values.get("cursor")


def _table(name: str = "", cursor: str | None = None) -> dict[str, object]:
    """Gather what the table shows: the keys whose name contains `name`, from the cursor on."""
    return {
        "page": service.live_keys_page(me(), name=name, cursor=cursor),
        "count": service.count_live_keys(me()),
        "name": name,
        "cursor": cursor,
        "is_active": has_active_subscription(me()),
    }


def _reveal(key: ApiKey, secret: str) -> str:
    return render_template("api_keys/created.html", new_key=key, secret=secret, revoked=[], **_table())


def _revoked(key: ApiKey, was_live: bool) -> Response:
    """Show the list without the key: in place behind the dialog, or as the page."""
    if not htmx.is_htmx():
        flash(key.name, "key-revoked" if was_live else "key-was-revoked")
        name, cursor = _shown()
        return redirect(url_for("account.api_keys.index", name=name or None, cursor=cursor), 303)
    message = f"Key {key.name} revoked." if was_live else f"{key.name} was already revoked."
    page = render_template("api_keys/revoked.html", revoked=[(key.name, was_live)], **_table(*_shown()))
    return htmx.close_dialog(make_response(page), message)


def _flashed() -> list[tuple[str, bool]]:
    """Return the keys that the page before this one revoked, with whether they were live until then."""
    kinds = ("key-revoked", "key-was-revoked")
    # Typed as either form; with categories they are pairs.
    found = cast(list[tuple[str, str]], get_flashed_messages(with_categories=True, category_filter=kinds))
    return [(name, kind == "key-revoked") for kind, name in found]


def _inactive() -> tuple[str, int]:
    return render_template("api_keys/inactive.html"), SubscriptionInactive.status

"""The pages of one owner's keys, whoever that is: the table, the create dialog, the reveal, the bin."""

from abc import ABC, abstractmethod
from typing import Any, cast

from flask import flash, get_flashed_messages, make_response, redirect, render_template, request
from werkzeug.wrappers import Response

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.forms import KeyForm
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db
from reflow_accounts.errors import Conflict, SubscriptionInactive, ValidationFailed
from reflow_accounts.subscriptions.service import has_active_subscription
from reflow_accounts.users.models import User
from reflow_accounts.web import htmx
from reflow_accounts.web.pagination import Page

Answer = str | Response | tuple[str, int]


class Keyring(ABC):
    """Whose keys the pages show, where their acts are, and which verbs do them.

    Templates know it as `keyring`. `tab` is the tab of the Account pages on which it hangs, `template` the
    page with the table.
    """

    tab: str
    template: str

    def __init__(self, owner: User) -> None:
        self.owner = owner

    @property
    def is_own(self) -> bool:
        """Whether the keys are those of the person who looks."""
        return self.owner.is_person

    @abstractmethod
    def index(self, **query: str | None) -> str:
        """Return the address of the table."""

    @abstractmethod
    def new(self) -> str:
        """Return the address of the form for a new key."""

    @abstractmethod
    def create(self) -> str:
        """Return the address to which that form goes."""

    @abstractmethod
    def revocation(self, key_id: str) -> str:
        """Return the address that asks before a key is revoked, and revokes it."""

    @abstractmethod
    def activity(self) -> str:
        """Return the address where one sees what the keys did."""

    @abstractmethod
    def issue(self, form: KeyForm) -> tuple[ApiKey, str]:
        """Make a key, as `service.issue` does."""

    @abstractmethod
    def revoke(self, key: ApiKey) -> bool:
        """End a key, as `service.revoke` does."""

    def form(self, **options: Any) -> KeyForm:
        """Return the form that makes a key, filled from the request unless told otherwise."""
        return KeyForm(**options)

    def done(self, key: ApiKey) -> str:
        """Return the address that a person goes to who has saved a new key."""
        return self.index()

    def around(self) -> dict[str, Any]:
        """Return what else the templates are given."""
        return {}


def show(keyring: Keyring, **more: Any) -> Answer:
    """List the keys; `more` is for the page around the table."""
    table = _table(keyring, *_shown())
    page = table["page"]
    assert isinstance(page, Page)
    created = request.args.get("created")
    new_key = next((row.key for row in page.items if row.key.public_id == created), None)
    return _page(keyring, keyring.template, **table, new_key=new_key, revoked=_flashed(), **more)


def ask_for_name(keyring: Keyring) -> Answer:
    """Ask for the name of a new key."""
    if not has_active_subscription(keyring.owner):
        return _inactive(keyring)
    return _page(keyring, "api_keys/new.html", form=keyring.form(formdata=None))


def create(keyring: Keyring) -> Answer:
    """Make a key and show its secret, this once."""
    ensure_recent_proof()
    form = keyring.form()
    try:
        key, secret = keyring.issue(form)
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _page(keyring, "api_keys/new.html", form=form), failed.status
    except SubscriptionInactive:
        db.session.rollback()
        return _inactive(keyring)
    except Conflict as conflict:
        db.session.rollback()
        return _page(keyring, "api_keys/repeated.html", sentence=str(conflict)), conflict.status
    db.session.commit()
    return _reveal(keyring, key, secret), 201 if htmx.is_htmx() else 200


def ask_to_revoke(keyring: Keyring, key_id: str) -> Answer:
    """Ask before a key is revoked."""
    key = service.key_of(keyring.owner, key_id)
    name, cursor = _shown()
    if key.revoked_at:
        return _page(keyring, "api_keys/already_revoked.html", key=key, **_table(keyring, name, cursor))
    row = service.with_usage_counts([key])[0]
    return _page(keyring, "api_keys/revocation.html", row=row, name=name, cursor=cursor)


def revoke(keyring: Keyring, key_id: str) -> Answer:
    """Revoke a key. Revoking a revoked one has the same end."""
    key = service.key_of(keyring.owner, key_id)
    was_live = keyring.revoke(key)
    db.session.commit()
    return _revoked(keyring, key, was_live)


def _page(keyring: Keyring, template: str, **more: Any) -> str:
    return render_template(template, **{"keyring": keyring, "tab": keyring.tab} | keyring.around() | more)


def _shown() -> tuple[str, str | None]:
    """Return which part of the table is on the screen: the filter, and the page's cursor."""
    return request.values.get("name", "").strip(), request.values.get("cursor")


def _table(keyring: Keyring, name: str = "", cursor: str | None = None) -> dict[str, object]:
    """Gather what the table shows: the keys whose name contains `name`, from the cursor on."""
    return {
        "page": service.keys_page(keyring.owner, name=name, cursor=cursor),
        "count": service.count_live_keys(keyring.owner),
        "name": name,
        "cursor": cursor,
        "is_active": has_active_subscription(keyring.owner),
    }


def _reveal(keyring: Keyring, key: ApiKey, secret: str) -> str:
    table = _table(keyring)
    return _page(keyring, "api_keys/created.html", new_key=key, secret=secret, revoked=[], **table)


def _revoked(keyring: Keyring, key: ApiKey, was_live: bool) -> Response:
    """Show the list without the key: in place behind the dialog, or as the page."""
    name, cursor = _shown()
    if not htmx.is_htmx():
        flash(key.name, "key-revoked" if was_live else "key-was-revoked")
        return redirect(keyring.index(name=name or None, cursor=cursor), 303)
    message = f"Key {key.name} revoked." if was_live else f"{key.name} was already revoked."
    table = _table(keyring, name, cursor)
    page = _page(keyring, "api_keys/revoked.html", revoked=[(key.name, was_live)], **table)
    return htmx.close_dialog(make_response(page), message)


def _flashed() -> list[tuple[str, bool]]:
    """Return the keys that the page before this one revoked, with whether they were live until then."""
    kinds = ("key-revoked", "key-was-revoked")
    # Typed as either form; with categories they are pairs.
    found = cast(list[tuple[str, str]], get_flashed_messages(with_categories=True, category_filter=kinds))
    return [(name, kind == "key-revoked") for kind, name in found]


def _inactive(keyring: Keyring) -> tuple[str, int]:
    return _page(keyring, "api_keys/inactive.html"), SubscriptionInactive.status

"""Views shared by the pages of one's own keys and of a service account's keys."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast
from urllib.parse import urlencode

from flask import flash, get_flashed_messages, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.wrappers import Response

from reflow_accounts.api_keys import service
from reflow_accounts.api_keys.forms import KeyForm, RotationForm
from reflow_accounts.api_keys.lifecycle import rotate, rotation_refusal
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.rules import created_keys
from reflow_accounts.api_keys.table import count_rows, previous_keys, rows_page, sparklines_of
from reflow_accounts.api_keys.usage.clients import usage_summary_of
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.step_up import ensure_recent_proof
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict, Gone, SubscriptionInactive, ValidationFailed
from reflow_accounts.rate_limits import service as rate_limits
from reflow_accounts.subscriptions.service import has_active_subscription
from reflow_accounts.teams.service_accounts import owning_team
from reflow_accounts.users.models import User
from reflow_accounts.web import htmx
from reflow_accounts.web.redirects import origin
from reflow_accounts.web.request_info import client
from reflow_accounts.web.text import zone_of

# The variables of all templates of these pages. `list_url` is the page with the table; `keys_url` is the prefix of the
# pages of new and existing keys.
Context = dict[str, Any]


def list_url_of(account: User) -> str:
    """Return the URL of the page with the keys of a service account."""
    return url_for(
        "account.service_account_keys.show",
        team_id=owning_team(account).public_id,
        account_id=account.public_id,
    )


def show(template: str, context: Context, **more: Any) -> ResponseReturnValue:
    """List the keys; `more` are further variables of the template."""
    table = table_of(context["owner"], *_filter_and_cursor())
    created = request.args.get("created")
    new_key = next((row.key for row in table["page"].items if row.key.public_id == created), None)
    # The keys that the previous request revoked: label, kind, id.
    kinds = ("key-revoked", "expired-key-revoked", "key-was-revoked")
    # With categories the messages are pairs, which the type leaves open.
    messages = cast(list[tuple[str, str]], get_flashed_messages(with_categories=True, category_filter=kinds))
    parts = [(kind, *message.partition(" ")) for kind, message in messages]
    revoked = [(label, kind, key_id) for kind, key_id, _, label in parts]
    return render_template(template, **context | table | more, new_key=new_key, revoked=revoked)


def ask_for_name(context: Context, form: KeyForm) -> ResponseReturnValue:
    """Show the form for a new key."""
    if not has_active_subscription(context["owner"]):
        return _inactive_page(context)
    return render_template("api_keys/new.html", **context, form=form)


def create(
    context: Context, form: KeyForm, accounts: Mapping[str, User] = MappingProxyType({})
) -> ResponseReturnValue:
    """Create a key and show its secret once.

    `accounts` are the service accounts, by id, that the form may choose as the owner of the key.
    """
    ensure_recent_proof()
    rate_limits.hit("create-key", account=current_user().public_id)
    try:
        key, secret = service.issue(
            _key_owner(context["owner"], form, accounts),
            form.name.data or "",
            by=current_user(),
            client=client(),
            expires_at=form.expires_at(zone_of(current_user().time_zone)),
            nonce=form.nonce.data or "",
            is_canary=bool(form.canary.data),
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return render_template("api_keys/new.html", **context, form=form), failed.status
    except SubscriptionInactive:
        db.session.rollback()
        return _inactive_page(context)
    except Conflict as conflict:
        db.session.rollback()
        return refusal_page(context, "Create New API Key", conflict)
    db.session.commit()
    return reveal(context, key, secret)


def ask_to_revoke(context: Context, key_id: str) -> ResponseReturnValue:
    """Ask for confirmation before a key is revoked."""
    key = service.key_of(context["owner"], key_id)
    if key.revoked_at:
        return _already_revoked_page(context, key)
    until = key.restorable_if_revoked_at(now())
    more = {
        "restorable_until": until if until == key.expires_at else None,
        "previous": previous_keys([key.id]),
        "created": created_keys(key),
        "summary": usage_summary_of(key),
    }
    return _dialog("api_keys/revocation.html", context, key, **more)


def revoke(context: Context, key_id: str) -> ResponseReturnValue:
    """Revoke a key and show the list without it. Revoking a revoked key changes nothing."""
    key = service.key_of(context["owner"], key_id)
    with_created = context["is_own"] and bool(request.form.get("created"))
    was_live = service.revoke_key(key, by=current_user(), client=client(), with_created=with_created)
    db.session.commit()
    # Its successor has the same name and may still work.
    label = f"Previous key of {key.name}" if key.replaced_at else key.name
    kind = "key-was-revoked"
    if was_live:
        kind = "key-revoked" if key.restorable_until else "expired-key-revoked"
    if not htmx.is_part():
        flash(f"{key.public_id} {label}", kind)
        return redirect(_back_url(context), 303)
    subject = label if key.replaced_at else f"Key {label}"
    message = f"{subject} revoked." if was_live else f"{label} was already revoked."
    table = table_of(context["owner"], *_filter_and_cursor())
    page = render_template("api_keys/revoked.html", **context | table, revoked=[(label, kind, key.public_id)])
    return htmx.close_dialog(make_response(page), message)


def ask_to_rotate(context: Context, key_id: str) -> ResponseReturnValue:
    """Ask how long the old key should work after a rotation."""
    key = service.key_of(context["owner"], key_id)
    if key.revoked_at:
        return _already_revoked_page(context, key)
    if not has_active_subscription(context["owner"]):
        return _inactive_page(context)
    if key.is_canary or key.replaced_at or key.has_expired:
        return refusal_page(context, "Rotate key", rotation_refusal(key))
    return _dialog("api_keys/rotation.html", context, key, form=RotationForm(formdata=None))


def rotate_key(context: Context, key_id: str) -> ResponseReturnValue:
    """Rotate a key and show the secret of the new one once."""
    ensure_recent_proof()
    rate_limits.hit("create-key", account=current_user().public_id)
    key, form = service.key_of(context["owner"], key_id), RotationForm()
    try:
        new, secret = rotate(
            key, overlap=form.seconds, nonce=form.nonce.data or "", by=current_user(), client=client()
        )
    except ValidationFailed as failed:
        db.session.rollback()
        form.show(failed)
        return _dialog("api_keys/rotation.html", context, key, form=form), failed.status
    except SubscriptionInactive:
        db.session.rollback()
        return _inactive_page(context)
    except (Conflict, Gone) as error:
        db.session.rollback()
        return refusal_page(context, "Rotate key", error)
    db.session.commit()
    return reveal(context, new, secret, old_key=key)


def _key_owner(owner: User, form: KeyForm, accounts: Mapping[str, User]) -> User:
    chosen = form["owner"].data if "owner" in form else None
    if not chosen:
        return owner
    if chosen not in accounts:
        raise ValidationFailed(owner="Choose yourself, or a service account that you manage")
    return accounts[chosen]


def _filter_and_cursor() -> tuple[str, str | None]:
    """Return the displayed part of the table: the filter and the cursor of the page."""
    return request.values.get("name", "").strip(), request.values.get("cursor")


def table_of(owner: User, name: str = "", cursor: str | None = None) -> Context:
    """Return the template variables of the table: the keys whose name contains `name`, from the cursor on."""
    page = rows_page(owner, name=name, cursor=cursor)
    zone = zone_of(current_user().time_zone)
    return {
        "page": page,
        "sparklines": sparklines_of([row.key.id for row in page.items], zone),
        "count": count_rows(owner),
        "name": name,
        "cursor": cursor,
        "is_active": has_active_subscription(owner),
    }


def reveal(context: Context, key: ApiKey, secret: str, old_key: ApiKey | None = None) -> Response:
    """Show the secret of a new key. `old_key` is the key that it replaces, if any."""
    done_url = context["list_url"] if key.user == context["owner"] else list_url_of(key.user)
    page = render_template(
        "api_keys/created.html",
        **context | table_of(context["owner"]),
        new_key=key,
        old_key=old_key,
        secret=secret,
        server=origin(),
        done_url=done_url,
        revoked=[],
    )
    response = make_response(page, 201 if htmx.is_htmx() else 200)
    if htmx.is_dialog():
        # The table behind it starts with the new key, which the filter or cursor in the address would hide.
        htmx.replace_address(response, context["list_url"])
    return response


def _dialog(template: str, context: Context, key: ApiKey, **more: Any) -> str:
    """Return a dialog about one key; Cancel leads back to the displayed part of the table."""
    row, (name, cursor) = service.with_usage_counts([key])[0], _filter_and_cursor()
    more |= {"row": row, "name": name, "cursor": cursor}
    return render_template(template, **context, **more, back_url=_back_url(context))


def _back_url(context: Context) -> str:
    name, cursor = _filter_and_cursor()
    query = urlencode({key: value for key, value in (("name", name), ("cursor", cursor)) if value})
    return f"{context['list_url']}?{query}" if query else context["list_url"]


def _already_revoked_page(context: Context, key: ApiKey) -> str:
    table = table_of(context["owner"], *_filter_and_cursor())
    return render_template("api_keys/already_revoked.html", **context | table, key=key)


def refusal_page(
    context: Context, title: str, error: Conflict | Gone | SubscriptionInactive | ValidationFailed
) -> ResponseReturnValue:
    """Say why a key was not created, rotated or restored, and show the current table behind a dialog."""
    owner, sentence = context["owner"], str(error)
    if new_id := error.members.get("replaced_by"):
        # Pages show no ids of keys.
        sentence = sentence.replace(str(new_id), service.key_of(owner, str(new_id)).masked_secret)
    table = table_of(owner) if htmx.is_dialog() else {}
    page = render_template("api_keys/repeated.html", **context | table, title=title, sentence=sentence)
    response = make_response(page, error.status)
    if htmx.is_dialog():
        # The table has no filter or cursor.
        htmx.replace_address(response, context["list_url"])
    return response


def _inactive_page(context: Context) -> tuple[str, int]:
    return render_template("api_keys/inactive.html", **context), SubscriptionInactive.status

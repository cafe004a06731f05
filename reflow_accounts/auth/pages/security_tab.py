"""The Security tab: its sections, each filled by the module of its noun."""

from typing import Any

from flask import Blueprint, render_template

from reflow_accounts.auth import passkeys, second_factor
from reflow_accounts.auth.current_user import current_user
from reflow_accounts.auth.forms import ChangePasswordForm
from reflow_accounts.auth.pages.sessions import shown_sessions

blueprint = Blueprint("security", __name__, url_prefix="/security")


@blueprint.get("")
def show() -> str:
    """Show password, second factor, passkeys and sessions."""
    return shown()


def shown(**changed: Any) -> str:
    """Return the tab; `changed` is what a section shows in place of what it shows at first."""
    sections: dict[str, Any] = {
        "password_form": ChangePasswordForm(formdata=None),
        "factor": second_factor.standing_of(current_user()),
        "passkeys": passkeys.passkeys_of(current_user()),
        "sessions": shown_sessions(),
    }
    return render_template("auth/security.html", **sections | changed)

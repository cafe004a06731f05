"""Demo accounts: a team with a subscription, one without, and a support user."""

from sqlalchemy import select

from reflow_accounts.auth.login import find_by_email
from reflow_accounts.auth.passwords import hasher
from reflow_accounts.database import db, now
from reflow_accounts.errors import Conflict
from reflow_accounts.mail.service import forget
from reflow_accounts.subscriptions.licences import add_or_complete, connect_to_team, set_aws_state
from reflow_accounts.subscriptions.models import LicenceState
from reflow_accounts.teams.models import Rights
from reflow_accounts.teams.service import add_member, add_service_account, add_team
from reflow_accounts.users.models import User
from reflow_accounts.users.profile import add_person

PASSWORD = "reflow-demo-password"  # noqa: S105  # public, refused in production

_PEOPLE = {
    "ada@acme.example": ("Ada Park", "Admin of team Acme (subscription active)"),
    "ben@acme.example": ("Ben Cole", "Edit on Acme"),
    "vic@acme.example": ("Vic Moss", "View on Acme"),
    "nina@solo.example": ("Nina Roy", "Admin of team Solo (no subscription)"),
    "sam@support.example": ("Sam Hale", "Support staff"),
}


def is_new_database() -> bool:
    """Return whether the database has no users."""
    return db.session.scalar(select(User.id).limit(1)) is None


def seed() -> None:
    """Add the demo accounts unless they exist. Raises Conflict if another account has one of the addresses."""
    taken = [email for email in _PEOPLE if find_by_email(email)]
    if "ada@acme.example" in taken:
        return
    if taken:
        raise Conflict(
            f"The demo accounts were not added, because there are others at {', '.join(taken)}. Use a new database."
        )
    people = {
        email: add_person(name, email, PASSWORD, hasher(), is_staff=email == "sam@support.example")
        for email, (name, _) in _PEOPLE.items()
    }
    acme = add_team("Acme", people["ada@acme.example"])
    add_member(acme, people["ben@acme.example"], Rights.EDIT)
    add_member(acme, people["vic@acme.example"], Rights.VIEW)
    add_service_account(acme, "acme-ci")
    licence = add_or_complete("l-demo", product_code="demo", aws_account="123456789012")
    set_aws_state(licence, LicenceState.ACTIVE, now(), None, reason="Demo data")
    connect_to_team(licence, acme, by=people["ada@acme.example"])
    # No mail to demo addresses.
    forget("ada@acme.example")
    add_team("Solo", people["nina@solo.example"])
    db.session.commit()


def table(*, with_password: bool = True) -> str:
    """Return the demo accounts as lines of text."""
    lines = [f"  {email:<22} {name:<10} {role}" for email, (name, role) in _PEOPLE.items()]
    password_note = f"password of each: {PASSWORD}" if with_password else "their password is in README.md:"
    return "\n".join([f"Demo accounts, {password_note}", *lines])

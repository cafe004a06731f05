"""Service functions require Admin rights for every caller."""

import pytest

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.api_keys.lifecycle import restore, rotate
from reflow_accounts.api_keys.models import ApiKey, Revocation
from reflow_accounts.api_keys.service import issue, key_of, revoke_key
from reflow_accounts.database import db, now
from reflow_accounts.errors import InsufficientRights, NotFound, ValidationFailed
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Rights
from tests.factories import CLIENT
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later


def revoked(key):
    key.revoked_at, key.revoked_for = now(), Revocation.OWNER
    db.session.flush()
    return key


def test_end_in_the_past_is_refused_by_its_field(app, cast):
    with app.app_context(), pytest.raises(ValidationFailed) as refused:
        service_accounts.create_with_key(
            cast.acme.row(),
            "robot",
            Rights.EDIT,
            "ci",
            "n",
            by=cast.ada.row(),
            client=CLIENT,
            expires_at=now(),
        )
    assert refused.value.fields == {"expires_at": "Choose a time in the future"}


FUNCTIONS = {
    "create": lambda team, account, key, actor: accounts.create(team, "robot", **actor),
    "rename": lambda team, account, key, actor: accounts.rename(team, account, "robot", **actor),
    "change rights": lambda team, account, key, actor: accounts.change_rights(
        team, account, Rights.VIEW, **actor
    ),
    "disable": lambda team, account, key, actor: accounts.set_disabled(team, account, True, **actor),
    "delete": lambda team, account, key, actor: service_accounts.delete(team, account, **actor),
    "issue a key": lambda team, account, key, actor: issue(account, "more", **actor),
    "revoke a key": lambda team, account, key, actor: revoke_key(key, **actor),
    "change a key": lambda team, account, key, actor: service_accounts.change_key(
        team, key, name="renamed", **actor
    ),
    "rotate a key": lambda team, account, key, actor: rotate(key, **actor),
    "restore a key": lambda team, account, key, actor: restore(revoked(key), **actor),
    "create with a key": lambda team, account, key, actor: service_accounts.create_with_key(
        team, "robot", Rights.EDIT, "ci", "nonce", **actor
    ),
}


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    ("user", "refusal"), [("ben", InsufficientRights), ("ci", InsufficientRights), ("charlie", NotFound)]
)
def test_function_is_for_admins_of_the_team_only(app, cast, function, user, refusal):
    key = cast.ci.key("deploy")
    before = rows.audit_events(app)
    with app.app_context():
        by = {"by": getattr(cast, user).row(), "client": CLIENT}
        account = cast.ci.row()
        with pytest.raises(refusal):
            FUNCTIONS[function](cast.acme.row(), account, key_of(account, key.id), by)
        db.session.commit()
    assert rows.audit_events(app) == before
    assert rows.count(app, ApiKey) == 1


@pytest.mark.parametrize("function", FUNCTIONS)
def test_function_works_for_an_admin(app, cast, function):
    key = cast.ci.key("deploy")
    before = rows.audit_events(app)
    with app.app_context():
        by = {"by": cast.ada.row(), "client": CLIENT}
        account = cast.ci.row()
        FUNCTIONS[function](cast.acme.row(), account, key_of(account, key.id), by)
        db.session.commit()
    assert len(rows.audit_events(app)) > len(before)

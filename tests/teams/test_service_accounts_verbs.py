"""Service functions require Admin rights for every caller."""

import pytest

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import key_of
from reflow_accounts.database import db
from reflow_accounts.errors import InsufficientRights, NotFound
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Rights
from tests.factories import CLIENT
from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later

VERBS = {
    "create": lambda team, account, key, who: accounts.create(team, "robot", **who),
    "rename": lambda team, account, key, who: accounts.rename(team, account, "robot", **who),
    "change rights": lambda team, account, key, who: accounts.change_rights(
        team, account, Rights.VIEW, **who
    ),
    "disable": lambda team, account, key, who: accounts.set_disabled(team, account, True, **who),
    "delete": lambda team, account, key, who: service_accounts.delete(team, account, **who),
    "issue a key": lambda team, account, key, who: service_accounts.issue_key(team, account, "more", **who),
    "revoke a key": lambda team, account, key, who: service_accounts.revoke_key(team, key, **who),
    "both at once": lambda team, account, key, who: service_accounts.create_with_key(
        team, "robot", Rights.EDIT, "ci", "nonce", **who
    ),
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("who", "refusal"), [("ben", InsufficientRights), ("ci", InsufficientRights), ("charlie", NotFound)]
)
def test_verb_is_for_admins_of_the_team_alone(app, cast, verb, who, refusal):
    key = cast.ci.key("deploy")
    before = rows.acts(app)
    with app.app_context():
        by = {"by": getattr(cast, who).row(), "client": CLIENT}
        account = cast.ci.row()
        with pytest.raises(refusal):
            VERBS[verb](cast.acme.row(), account, key_of(account, key.id), by)
        db.session.commit()
    assert rows.acts(app) == before
    assert rows.count(app, ApiKey) == 1


@pytest.mark.parametrize("verb", VERBS)
def test_admin_may(app, cast, verb):
    key = cast.ci.key("deploy")
    before = rows.acts(app)
    with app.app_context():
        by = {"by": cast.ada.row(), "client": CLIENT}
        account = cast.ci.row()
        VERBS[verb](cast.acme.row(), account, key_of(account, key.id), by)
        db.session.commit()
    assert len(rows.acts(app)) > len(before)

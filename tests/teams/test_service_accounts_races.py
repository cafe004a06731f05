"""Concurrent changes of service accounts: no key outlives its account."""

import pytest

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.api_keys.service import issue
from reflow_accounts.database import db
from reflow_accounts.errors import DomainError
from reflow_accounts.teams import members
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Rights
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.teams.service_account_actions import delete, names_in, set_disabled

ROUNDS = 4


def create(cast, name):
    """Create a service account in its own transaction; return the error message, or an empty text."""
    with cast.ada.app.app_context():
        try:
            accounts.create(cast.acme.row(), name, by=cast.ada.row(), client=CLIENT)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return str(error)
    return ""


def issue_key(cast, name):
    with cast.ada.app.app_context():
        try:
            issue(cast.ci.row(), name, by=cast.ada.row(), client=CLIENT)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return type(error).__name__
    return ""


def live_keys(app):
    with app.app_context():
        query = db.select(db.func.count()).select_from(ApiKey).where(ApiKey.revoked_at.is_(None))
        return db.session.scalar(query)


def test_concurrent_creations_of_one_name_create_one_account(cast):
    names = ["deploy", "DEPLOY", "Deploy", "deploy", "dePloy"]
    results = at_once([lambda name=name: create(cast, name) for name in names])
    assert results.count("") == 1
    assert all("already" in sentence for sentence in results if sentence)
    assert len(names_in(cast.acme)) == 2


@pytest.mark.parametrize("number", range(ROUNDS))
def test_key_issued_while_its_account_is_deleted_is_not_live(app, cast, number):
    results = at_once(
        [
            lambda: delete(cast.acme, cast.ci, cast.ada),
            *[lambda n=n: issue_key(cast, f"k{n}") for n in range(4)],
        ]
    )
    assert set(results[1:]) <= {"", "Gone"}
    assert live_keys(app) == 0


@pytest.mark.parametrize("number", range(ROUNDS))
def test_key_issued_while_its_account_is_disabled_is_refused(app, cast, api, number):
    results = at_once(
        [
            lambda: set_disabled(cast.acme, cast.ci, True, cast.ada),
            *[lambda n=n: issue_key(cast, f"k{n}") for n in range(4)],
        ]
    )
    assert set(results[1:]) <= {"", "Conflict"}
    assert live_keys(app) == results[1:].count("")
    with app.app_context():
        assert cast.ci.row().disabled_at


def test_concurrent_deletions_are_recorded_once(app, cast):
    cast.ci.key()
    at_once([lambda: delete(cast.acme, cast.ci, cast.ada)] * 4)
    actions = [action for action, *_ in rows.audit_events(app)]
    assert actions.count("service_account.deleted") == actions.count("api_key.revoked") == 1


def test_form_for_a_ci_key_sent_five_times_at_once_creates_one_key(app, cast, client):
    cast.ada.sign_in(client)
    token, cookie = client.csrf_token(), client.get_cookie("reflow").value
    fields = {"name": "web-ci", "rights": "edit", "key_name": "ci", "nonce": "same", "csrf_token": token}

    def send_form():
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        return tab.post(f"/account/teams/{cast.acme.id}/ci-key", data=fields).status_code

    assert sorted(at_once([send_form] * 5)) == [200, 409, 409, 409, 409]
    assert names_in(cast.acme) == ["acme-ci", "web-ci"]
    assert rows.count(app, ApiKey) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_demoted_admin_creates_an_account_before_the_demotion_or_never(app, cast, number):
    cast.acme.add(cast.charlie, Rights.ADMIN)

    def demote():
        with app.app_context():
            team = cast.acme.row()
            members.change_rights(team, cast.ada.id, Rights.VIEW, by=cast.charlie.row(), client=CLIENT)
            db.session.commit()
        return "lowered"

    results = at_once([demote, lambda: create(cast, "deploy")])
    actions = [
        act
        for act, *_ in rows.audit_events(app)
        if act in ("member.rights_changed", "service_account.created")
    ]
    if results[1]:
        assert "Admin rights" in results[1]
        assert actions == ["member.rights_changed"]
    else:
        assert actions == ["service_account.created", "member.rights_changed"]

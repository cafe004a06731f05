"""Two at once: the database decides, and no key outlives its account."""

import pytest

from reflow_accounts.api_keys import service_accounts
from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.errors import DomainError
from reflow_accounts.teams import members
from reflow_accounts.teams import service_accounts as accounts
from reflow_accounts.teams.models import Rights
from tests.factories import CLIENT
from tests.helpers import rows
from tests.helpers.at_once import at_once
from tests.teams.service_account_acts import delete, names_in, set_disabled

ROUNDS = 4


def create(cast, name):
    """Make a service account in a transaction of its own; say whether that worked."""
    with cast.ada.app.app_context():
        try:
            accounts.create(cast.acme.row(), name, by=cast.ada.row(), client=CLIENT)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return str(error)
    return ""


def issue(cast, name):
    with cast.ada.app.app_context():
        try:
            service_accounts.issue_key(cast.acme.row(), cast.ci.row(), name, by=cast.ada.row(), client=CLIENT)
            db.session.commit()
        except DomainError as error:
            db.session.rollback()
            return type(error).__name__
    return ""


def live_keys(app):
    with app.app_context():
        query = db.select(db.func.count()).select_from(ApiKey).where(ApiKey.revoked_at.is_(None))
        return db.session.scalar(query)


def test_of_several_creations_with_one_name_one_wins(cast):
    names = ["deploy", "DEPLOY", "Deploy", "deploy", "dePloy"]
    told = at_once([lambda name=name: create(cast, name) for name in names])
    assert told.count("") == 1
    assert all("already" in sentence for sentence in told if sentence)
    assert len(names_in(cast.acme)) == 2


@pytest.mark.parametrize("number", range(ROUNDS))
def test_no_key_is_live_after_its_account_was_deleted_meanwhile(app, cast, number):
    told = at_once(
        [lambda: delete(cast.acme, cast.ci, cast.ada), *[lambda n=n: issue(cast, f"k{n}") for n in range(4)]]
    )
    assert set(told[1:]) <= {"", "Gone"}
    assert live_keys(app) == 0


@pytest.mark.parametrize("number", range(ROUNDS))
def test_key_made_while_its_account_is_disabled_opens_nothing(app, cast, api, number):
    told = at_once(
        [
            lambda: set_disabled(cast.acme, cast.ci, True, cast.ada),
            *[lambda n=n: issue(cast, f"k{n}") for n in range(4)],
        ]
    )
    assert set(told[1:]) <= {"", "Conflict"}
    assert live_keys(app) == told[1:].count("")
    with app.app_context():
        assert cast.ci.row().disabled_at


def test_of_several_deletions_one_is_written_down(app, cast):
    cast.ci.key()
    at_once([lambda: delete(cast.acme, cast.ci, cast.ada)] * 4)
    told = [act for act, *_ in rows.acts(app)]
    assert told.count("service_account.deleted") == told.count("api_key.revoked") == 1


def test_one_form_of_the_wizard_sent_five_times_at_once_makes_one_of_each(app, cast, client):
    cast.ada.sign_in(client)
    token, cookie = client.csrf_token(), client.get_cookie("reflow").value
    fields = {"name": "web-ci", "rights": "edit", "key_name": "ci", "nonce": "same", "csrf_token": token}

    def click():
        tab = app.test_client()
        tab.set_cookie("reflow", cookie)
        return tab.post(f"/account/teams/{cast.acme.id}/ci-key", data=fields).status_code

    assert sorted(at_once([click] * 5)) == [200, 409, 409, 409, 409]
    assert names_in(cast.acme) == ["acme-ci", "web-ci"]
    assert rows.count(app, ApiKey) == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_who_is_lowered_meanwhile_makes_an_account_before_or_not_at_all(app, cast, number):
    cast.acme.add(cast.charlie, Rights.ADMIN)

    def lower():
        with app.app_context():
            team = cast.acme.row()
            members.change_rights(team, cast.ada.id, Rights.VIEW, by=cast.charlie.row(), client=CLIENT)
            db.session.commit()
        return "lowered"

    told = at_once([lower, lambda: create(cast, "deploy")])
    order = [act for act, *_ in rows.acts(app) if act in ("member.rights_changed", "service_account.created")]
    if told[1]:
        assert "Admin rights" in told[1]
        assert order == ["member.rights_changed"]
    else:
        assert order == ["service_account.created", "member.rights_changed"]

"""The field "Owner" of the form for a new key: the user, or a service account that the user manages."""

import pytest

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers.html import parse
from tests.teams.service_account_actions import DIALOG, PANEL, SECRET, account_path

pytestmark = pytest.mark.postgresql_later

FORM, KEYS = "/account/api-keys/new", "/account/api-keys"


def owner_options(page):
    """Return what may be chosen, by value; None when nothing is asked."""
    fields = [field for field in page.all("select") if field["name"] == "owner"]
    return {option["value"]: option.text for option in fields[0].all("option")} if fields else None


def owner_of(app, name):
    with app.app_context():
        return db.session.scalars(db.select(ApiKey).where(ApiKey.name == name)).one().user.full_name


@pytest.mark.parametrize("headers", [None, DIALOG])
def test_admin_can_choose_service_accounts(cast, ada, headers):
    assert owner_options(ada.page(FORM, headers=headers)) == {"": "You", cast.ci.id: "acme-ci"}


def test_options_name_the_team_when_there_are_several(app, cast, ada):
    cast.globex.add(cast.ada, Rights.ADMIN)
    other = factories.service_account(app, cast.globex, "builder")
    assert owner_options(ada.page(FORM)) == {
        "": "You",
        cast.ci.id: "acme-ci (Acme)",
        other.id: "builder (Globex)",
    }


@pytest.mark.parametrize("user", ["ben", "vic", "charlie"])
def test_field_is_absent_without_accounts_to_manage(cast, client, user):
    getattr(cast, user).sign_in(client)
    assert owner_options(client.page(FORM)) is None


def test_disabled_and_deleted_accounts_are_not_offered(cast, ada):
    ada.send(f"{account_path(cast.acme, cast.ci)}/status", disabled="true")
    assert owner_options(ada.page(FORM)) is None
    ada.send(f"{account_path(cast.acme, cast.ci)}/deletion")
    assert owner_options(ada.page(FORM)) is None


def test_key_belongs_to_the_user_by_default(app, cast, ada):
    assert ada.submit(ada.page(FORM), KEYS, name="laptop").status_code == 200
    assert owner_of(app, "laptop") == "Ada Park"


def test_key_of_an_account_is_created_and_listed_without_javascript(app, cast, ada, api):
    response = ada.submit(ada.page(FORM), KEYS, name="deploy", owner=cast.ci.id)
    page = parse(response.text)
    assert "Anyone who has it can act as acme-ci." in page.text
    [secret] = set(SECRET.findall(response.text))
    assert api(secret).get("/me").json["user"]["name"] == "acme-ci"
    assert owner_of(app, "deploy") == "acme-ci"
    next_page = ada.submit(page, account_path(cast.acme, cast.ci), saved="yes")
    assert "deploy is ready to use." in parse(next_page.text).text


def test_dialog_names_the_owner_of_the_new_key(cast, ada):
    form = ada.page(FORM, headers=DIALOG)
    response = ada.submit(form, KEYS, headers=PANEL, name="deploy", owner=cast.ci.id)
    assert response.status_code == 201
    notes = parse(response.text).with_id("api-keys-notes")
    assert "deploy is ready to use. It is a key of acme-ci." in notes.text
    assert notes.all("a")[0]["href"] == account_path(cast.acme, cast.ci)
    assert parse(response.text).with_id("api-keys-table").all("table") == []


def test_form_sent_twice_creates_one_key_of_a_service_account(cast, ada):
    form = ada.page(FORM)
    assert ada.submit(form, KEYS, name="deploy", owner=cast.ci.id).status_code == 200
    assert ada.submit(form, KEYS, name="deploy", owner=cast.ci.id).status_code == 409


@pytest.mark.parametrize("user", ["ada", "ben", "vic", "charlie"])
@pytest.mark.parametrize("headers", [None, PANEL])
def test_owner_that_the_user_does_not_manage_is_refused(app, cast, client, user, headers):
    """The response is the same for other people, service accounts of other teams, and an unknown id."""
    foreign_account = factories.service_account(app, cast.solo, "solo-ci")
    owner_ids = [foreign_account.id, cast.nina.id, "usr_0000000000000000"] + (
        [cast.ci.id] if user != "ada" else []
    )
    getattr(cast, user).sign_in(client)
    for number, owner in enumerate(owner_ids):
        response = client.send(KEYS, headers=headers, name="stolen", nonce=f"n{number}", owner=owner)
        assert response.status_code == 422
        assert "Choose yourself, or a service account that you manage" in response.text
    with app.app_context():
        assert not db.session.scalars(db.select(ApiKey)).all()


def test_demoted_admin_cannot_create_a_key_with_an_open_form(cast, ada):
    form = ada.page(FORM)
    cast.acme.add(cast.charlie, Rights.ADMIN)
    cast.acme.give(cast.ada, Rights.EDIT)
    assert ada.submit(form, KEYS, name="deploy", owner=cast.ci.id).status_code == 422


def test_key_creation_needs_the_subscription_of_the_owners_team(cast, ada):
    cast.globex.add(cast.ada, Rights.VIEW)
    form = ada.page(FORM)
    cast.acme.unsubscribe()
    response = ada.submit(form, KEYS, name="deploy", owner=cast.ci.id)
    assert response.status_code == 403
    assert "API keys need an active subscription" in response.text
    assert ada.submit(form, KEYS, name="mine").status_code == 200


def test_key_creation_requires_a_recent_proof_and_keeps_the_owner(app, cast, ada):
    form = ada.page(FORM)
    cast.ada.change_sessions(proven_at=None)
    proof_page = ada.submit(form, KEYS, name="deploy", owner=cast.ci.id)
    assert "Confirm that it is you" in proof_page.text
    assert ada.submit(parse(proof_page.text), KEYS, proof_password=cast.ada.password).status_code == 200
    assert owner_of(app, "deploy") == "acme-ci"

"""The field "Owner" of the form for a new key: oneself, or a service account that one manages."""

import pytest

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.database import db
from reflow_accounts.teams.models import Rights
from tests import factories
from tests.helpers.html import parse
from tests.teams.service_account_acts import DIALOG, PANEL, SECRET, page_of

pytestmark = pytest.mark.postgresql_later

FORM, KEYS = "/account/api-keys/new", "/account/api-keys"


def owners(page):
    """Return what may be chosen, by value; None when nothing is asked."""
    found = [field for field in page.all("select") if field["name"] == "owner"]
    return {option["value"]: option.text for option in found[0].all("option")} if found else None


def owner_of(app, name):
    with app.app_context():
        return db.session.scalars(db.select(ApiKey).where(ApiKey.name == name)).one().user.full_name


@pytest.mark.parametrize("headers", [None, DIALOG])
def test_admin_chooses_among_oneself_and_the_service_accounts(cast, ada, headers):
    assert owners(ada.page(FORM, headers=headers)) == {"": "You", cast.ci.id: "acme-ci"}


def test_with_several_teams_each_says_whose_it_is(app, cast, ada):
    cast.globex.add(cast.ada, Rights.ADMIN)
    other = factories.service_account(app, cast.globex, "builder")
    assert owners(ada.page(FORM)) == {
        "": "You",
        cast.ci.id: "acme-ci (Acme)",
        other.id: "builder (Globex)",
    }


@pytest.mark.parametrize("who", ["ben", "vic", "charlie"])
def test_who_manages_none_is_not_asked(cast, client, who):
    getattr(cast, who).sign_in(client)
    assert owners(client.page(FORM)) is None


def test_disabled_and_deleted_ones_are_not_offered(cast, ada):
    ada.send(f"{page_of(cast.acme, cast.ci)}/standing", disabled="true")
    assert owners(ada.page(FORM)) is None
    ada.send(f"{page_of(cast.acme, cast.ci)}/deletion")
    assert owners(ada.page(FORM)) is None


def test_key_is_ones_own_unless_another_owner_is_chosen(app, cast, ada):
    assert ada.submit(ada.page(FORM), KEYS, name="laptop").status_code == 200
    assert owner_of(app, "laptop") == "Ada Park"


def test_without_a_script_it_is_made_shown_and_found_at_its_owners_page(app, cast, ada, api):
    answer = ada.submit(ada.page(FORM), KEYS, name="deploy", owner=cast.ci.id)
    page = parse(answer.text)
    assert "Anyone who has it can act as acme-ci." in page.text
    [secret] = set(SECRET.findall(answer.text))
    assert api(secret).get("/me").json["user"]["name"] == "acme-ci"
    assert owner_of(app, "deploy") == "acme-ci"
    landed = ada.submit(page, page_of(cast.acme, cast.ci), saved="yes")
    assert "deploy is ready to use." in parse(landed.text).text


def test_in_the_dialog_the_note_says_whose_it_is(cast, ada):
    form = ada.page(FORM, headers=DIALOG)
    answer = ada.submit(form, KEYS, headers=PANEL, name="deploy", owner=cast.ci.id)
    assert answer.status_code == 201
    notes = parse(answer.text).with_id("api-keys-notes")
    assert "deploy is ready to use. It is a key of acme-ci." in notes.text
    assert notes.all("a")[0]["href"] == page_of(cast.acme, cast.ci)
    assert parse(answer.text).with_id("api-keys-table").all("table") == []


def test_one_form_makes_one_key_of_a_service_account(cast, ada):
    form = ada.page(FORM)
    assert ada.submit(form, KEYS, name="deploy", owner=cast.ci.id).status_code == 200
    assert ada.submit(form, KEYS, name="deploy", owner=cast.ci.id).status_code == 409


@pytest.mark.parametrize("who", ["ada", "ben", "vic", "charlie"])
@pytest.mark.parametrize("headers", [None, PANEL])
def test_nobody_makes_keys_for_whom_they_do_not_manage(app, cast, client, who, headers):
    """Neither for other people, nor for other teams' service accounts; the answer is the same for a made-up id."""
    theirs = factories.service_account(app, cast.solo, "solo-ci")
    chosen = [theirs.id, cast.nina.id, "usr_0000000000000000"] + ([cast.ci.id] if who != "ada" else [])
    getattr(cast, who).sign_in(client)
    for number, owner in enumerate(chosen):
        answer = client.send(KEYS, headers=headers, name="stolen", nonce=f"n{number}", owner=owner)
        assert answer.status_code == 422
        assert "Choose yourself, or a service account that you manage" in answer.text
    with app.app_context():
        assert not db.session.scalars(db.select(ApiKey)).all()


def test_who_was_lowered_with_the_form_open_makes_no_key_for_it(cast, ada):
    form = ada.page(FORM)
    cast.acme.add(cast.charlie, Rights.ADMIN)
    cast.acme.give(cast.ada, Rights.EDIT)
    assert ada.submit(form, KEYS, name="deploy", owner=cast.ci.id).status_code == 422


def test_gate_is_the_subscription_of_the_owners_team(cast, ada):
    cast.globex.add(cast.ada, Rights.VIEW)
    form = ada.page(FORM)
    cast.acme.unsubscribe()
    answer = ada.submit(form, KEYS, name="deploy", owner=cast.ci.id)
    assert answer.status_code == 403
    assert "API keys need an active subscription" in answer.text
    assert ada.submit(form, KEYS, name="mine").status_code == 200


def test_it_needs_a_recent_proof_and_goes_on_with_the_chosen_owner(app, cast, ada):
    form = ada.page(FORM)
    cast.ada.change_sessions(proven_at=None)
    asked = ada.submit(form, KEYS, name="deploy", owner=cast.ci.id)
    assert "Confirm that it is you" in asked.text
    assert ada.submit(parse(asked.text), KEYS, proof_password=cast.ada.password).status_code == 200
    assert owner_of(app, "deploy") == "acme-ci"

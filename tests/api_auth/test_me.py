"""`/me`: who is asking, by which credential, and what they may do where."""

import pytest


def test_key_says_whose_it_is_and_which(cast, api):
    key = cast.ada.key("CI")
    me = api(key.secret).get("/me").json
    assert me == {
        "user": {
            "id": cast.ada.id,
            "name": "Ada Park",
            "email": "ada@acme.example",
            "kind": "person",
            "is_staff": False,
        },
        "teams": [{"id": cast.acme.id, "name": "Acme", "rights": "admin", "subscription": "active"}],
        "authenticated_by": {"type": "key", "id": key.id, "name": "CI", "hint": key.secret[-4:]},
    }


@pytest.mark.parametrize(
    ("who", "rights"), [("ada", "admin"), ("ben", "edit"), ("vic", "view"), ("ci", "edit")]
)
def test_key_opens_what_its_user_may_do(cast, api, who, rights):
    person = getattr(cast, who)
    teams = api(person.key().secret).get("/me").json["teams"]
    assert [(team["name"], team["rights"]) for team in teams] == [("Acme", rights)]


def test_service_account_has_no_address(cast, api):
    user = api(cast.ci.key().secret).get("/me").json["user"]
    assert (user["name"], user["email"], user["kind"]) == ("acme-ci", None, "service_account")


def test_session_sees_a_team_that_did_not_pay(cast, api):
    teams = api(cast.nina.session()).get("/me").json["teams"]
    assert [(team["name"], team["subscription"]) for team in teams] == [("Solo", "inactive")]


def test_user_of_two_teams_sees_both(cast, api):
    from reflow_accounts.teams.models import Rights

    cast.solo.add(cast.ada, Rights.VIEW)
    teams = api(cast.ada.key().secret).get("/me").json["teams"]
    assert [(team["name"], team["rights"], team["subscription"]) for team in teams] == [
        ("Acme", "admin", "active"),
        ("Solo", "view", "inactive"),
    ]

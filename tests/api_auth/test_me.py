"""`/me`: the user, the credential, and the rights in each team."""

import pytest


def test_me_describes_the_user_and_the_key(cast, api):
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
    ("name", "rights"), [("ada", "admin"), ("ben", "edit"), ("vic", "view"), ("ci", "edit")]
)
def test_me_lists_the_rights_of_the_user(cast, api, name, rights):
    person = getattr(cast, name)
    teams = api(person.key().secret).get("/me").json["teams"]
    assert [(team["name"], team["rights"]) for team in teams] == [("Acme", rights)]


def test_service_account_has_no_email(cast, api):
    user = api(cast.ci.key().secret).get("/me").json["user"]
    assert (user["name"], user["email"], user["kind"]) == ("acme-ci", None, "service_account")


def test_session_lists_a_team_without_a_subscription(cast, api):
    teams = api(cast.nina.session()).get("/me").json["teams"]
    assert [(team["name"], team["subscription"]) for team in teams] == [("Solo", "inactive")]


def test_user_of_two_teams_gets_both(cast, api):
    from reflow_accounts.teams.models import Rights

    cast.solo.add(cast.ada, Rights.VIEW)
    teams = api(cast.ada.key().secret).get("/me").json["teams"]
    assert [(team["name"], team["rights"], team["subscription"]) for team in teams] == [
        ("Acme", "admin", "active"),
        ("Solo", "view", "inactive"),
    ]

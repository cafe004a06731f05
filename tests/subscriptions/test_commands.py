"""Operator commands `subscriptions set`, `config` and `demo`."""

import re

import pytest

from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later


def test_operator_sets_a_subscription_by_name_or_id(cast, api, flask):
    key = cast.ada.key()
    code, words = flask("subscriptions", "set", "Acme", "inactive", "--reason", "not paid")
    assert (code, words) == (0, "Acme is now inactive.\n")
    problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert flask("subscriptions", "set", cast.acme.id, "active", "--reason", "paid")[0] == 0
    assert api(key.secret).get("/me").status_code == 200
    again = flask("subscriptions", "set", "Acme", "active", "--reason", "paid")[1]
    assert re.fullmatch(r"Acme is already active until [-0-9]+ [0-9:]+ UTC, by support\.\n", again)


@pytest.mark.parametrize("team", ["Nobody", ""])
def test_team_that_is_not_there_is_an_error(cast, flask, team):
    code, _ = flask("subscriptions", "set", team, "active", "--reason", "x")
    assert code == 1


def test_reason_is_needed(cast, flask):
    assert flask("subscriptions", "set", "Acme", "inactive", "--reason", " ")[0] == 1
    assert flask("subscriptions", "set", "Acme", "inactive")[0] == 2


def test_settings_are_shown_without_secrets(app, flask):
    code, words = flask("config")
    assert code == 0
    assert "REFLOW_ENV=development" in words
    assert app.secret_key not in words


def test_demo_data_come_once(app, flask):
    from reflow_accounts.users.models import User
    from tests.helpers import rows

    first, second = flask("demo"), flask("demo")
    assert first == second
    assert first[0] == 0
    assert "ada@acme.example" in first[1]
    assert rows.count(app, User) == 6


def test_production_refuses_demo_data(app, flask, monkeypatch):
    from dataclasses import replace

    monkeypatch.setitem(app.config, "SETTINGS", replace(app.config["SETTINGS"], environment="production"))
    assert flask("demo")[0] == 1


def test_name_of_several_teams_is_answered_with_their_ids(cast, flask):
    made = [flask("teams", "create", "Twin", "--owner", cast.ada.email)[1] for _ in range(2)]
    ids = [words.partition("(")[2].partition(")")[0] for words in made]
    change = ("active", "--reason", "bridge")
    code, words = flask("subscriptions", "set", "Twin", *change)
    assert code == 1
    assert f"More than one team has the name Twin. Give the id of one: {', '.join(ids)}." in words
    assert flask("subscriptions", "set", ids[1], *change)[0] == 0
    assert "No team has the name or id Nowhere" in flask("subscriptions", "set", "Nowhere", *change)[1]

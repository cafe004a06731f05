"""Operator commands `subscriptions set`, `config` and `demo`."""

import re
from dataclasses import replace

import pytest

from reflow_accounts.users.models import User
from tests.factories import person
from tests.helpers import rows
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later


def test_subscription_is_set_by_name_or_id(cast, api, flask):
    key = cast.ada.key()
    code, output = flask("subscriptions", "set", "Acme", "inactive", "--reason", "not paid")
    assert (code, output) == (0, "Acme is now inactive.\n")
    problem_of(api(key.secret).get("/me"), 403, "subscription_inactive")
    assert flask("subscriptions", "set", cast.acme.id, "active", "--reason", "paid")[0] == 0
    assert api(key.secret).get("/me").status_code == 200
    output_again = flask("subscriptions", "set", "Acme", "active", "--reason", "paid")[1]
    assert re.fullmatch(r"Acme is already active until [-0-9]+ [0-9:]+ UTC, by support\.\n", output_again)


@pytest.mark.parametrize("team", ["Nobody", ""])
def test_unknown_team_is_an_error(cast, flask, team):
    code, _ = flask("subscriptions", "set", team, "active", "--reason", "x")
    assert code == 1


def test_reason_is_required(cast, flask):
    assert flask("subscriptions", "set", "Acme", "inactive", "--reason", " ")[0] == 1
    assert flask("subscriptions", "set", "Acme", "inactive")[0] == 2


def test_settings_are_shown_without_secrets(app, flask):
    code, output = flask("config")
    assert code == 0
    assert "REFLOW_ENV=development" in output
    assert app.secret_key not in output


def test_demo_data_are_added_once(app, flask):
    first, second = flask("demo"), flask("demo")
    assert first == second
    assert first[0] == 0
    assert "ada@acme.example" in first[1]
    assert rows.count(app, User) == 6


def test_demo_data_do_not_mix_with_other_accounts(app, flask):
    person(app, "Ben Other", "ben@acme.example")
    code, output = flask("demo")
    assert code == 1
    assert "ben@acme.example" in output
    assert rows.count(app, User) == 1


def test_demo_data_are_refused_in_production(app, flask, monkeypatch):
    monkeypatch.setitem(app.config, "SETTINGS", replace(app.config["SETTINGS"], environment="production"))
    assert flask("demo")[0] == 1


def test_ambiguous_name_lists_the_ids(cast, flask):
    outputs = [flask("teams", "create", "Twin", "--owner", cast.ada.email)[1] for _ in range(2)]
    ids = [output.partition("(")[2].partition(")")[0] for output in outputs]
    change = ("active", "--reason", "bridge")
    code, output = flask("subscriptions", "set", "Twin", *change)
    assert code == 1
    assert f"More than one team has the name Twin. Give the id of one: {', '.join(ids)}." in output
    assert flask("subscriptions", "set", ids[1], *change)[0] == 0
    assert "No team has the name or id Nowhere" in flask("subscriptions", "set", "Nowhere", *change)[1]

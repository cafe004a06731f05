"""Names of keys: 1 to 64 visible characters, unlike those of the other live keys."""

import json
from datetime import timedelta

import pytest
import time_machine

from reflow_accounts.database import now
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later


@pytest.fixture
def ada(cast, api):
    return api(cast.ada.session())


def name_error(response) -> str:
    errors = problem_of(response, 422, "validation_failed")["errors"]
    assert [error["field"] for error in errors] == ["name"]
    return errors[0]["message"]


@pytest.mark.parametrize("name", ["x", "x" * 64, "Büro 1 · 東京", "👩‍🔬 lab", "<b>&\"'", "= 1+1", "مفتاح"])
def test_name_is_stored_as_typed(ada, name):
    response = ada.post("/keys", {"name": name})
    assert (response.status_code, response.json["name"]) == (201, name)
    assert ada.get(f"/keys/{response.json['id']}").json["name"] == name


def test_white_space_is_trimmed_and_accents_are_composed(ada):
    assert ada.post("/keys", {"name": "  Cafe\u0301\t"}).json["name"] == "Caf\u00e9"


# One or more of each kind of default-ignorable character and of blank characters.
INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u180b\u180e\u180f\u200d\u2060\u2065\u2800\u3164\ufe0f\ufeff\uffa0"
)
INVISIBLE += "\ufff0\U0001bca0\U0001d173\U000e0001\U000e0020\U000e0100\U000e0fff"


@pytest.mark.parametrize("name", ["", "   ", "\u00a0\u3000", "\u200b", "\u2060\ufeff", INVISIBLE])
def test_invisible_name_is_refused(ada, name):
    assert name_error(ada.post("/keys", {"name": name})) == "Enter a name for this key"


@pytest.mark.parametrize("name", ["x" * 65, "é" * 65, "👩" * 65, "x" * 10_000])
def test_long_name_is_refused(ada, name):
    assert name_error(ada.post("/keys", {"name": name})) == "Use at most 64 characters"


@pytest.mark.parametrize("code", [0x01, 0x0A, 0x0D, 0x1B, 0x7F, 0x85, 0x2028, 0x2029, 0x202E, 0x2066, 0x2069])
def test_control_and_direction_characters_are_refused(ada, code):
    assert name_error(ada.post("/keys", {"name": f"a{chr(code)}b"}))


@pytest.mark.parametrize("template", ["{}", "my key {}", "{}x", "x{}", "<{}>"])
def test_name_with_a_secret_is_refused(ada, cast, template):
    """Names are stored, listed, logged and exported: as in `reflow keys create "$REFLOW_API_KEY"`."""
    issued = cast.ada.key("ci")
    name = template.format(issued.secret)
    team, account = cast.acme.id, cast.ci.id
    for response in (
        ada.post("/keys", {"name": name}),
        ada.patch(f"/keys/{issued.id}", {"name": name}),
        ada.patch(f"/teams/{team}", {"name": name}),
        ada.patch(f"/teams/{team}/service-accounts/{account}", {"name": name}),
        ada.post(f"/teams/{team}/service-accounts", {"name": name, "rights": "edit"}),
    ):
        assert name_error(response) == "Leave out the secret: this text is stored and shown to others"
        assert issued.secret not in response.text


def test_name_may_mention_a_masked_secret(ada):
    assert ada.post("/keys", {"name": "replaces rfk_…Ab12"}).status_code == 201


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "a\udfffb"])
def test_nul_and_broken_characters_are_refused(ada, name):
    # `json.dumps` escapes both: \u0000, \ud800.
    body = json.dumps({"name": name})
    assert name_error(ada.send("POST", "/keys", data=body, content_type="application/json"))


@pytest.mark.parametrize("name", [None, 5, True, ["CI"], {"a": 1}])
def test_name_must_be_text(ada, name):
    assert name_error(ada.post("/keys", {"name": name}))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("CI", "CI"),
        ("CI", "ci"),
        ("Straße", "STRASSE"),
        ("Cafe\u0301", "CAF\u00c9"),
        ("ﬁ", "FI"),
        ("CI", " CI "),
        # Cyrillic, Greek, Cherokee, a dash, a blank in the middle.
        ("CI", "\u0421\u0406"),
        ("Host one", "\u0397\u03bfst \u2800one"),
        ("prod-eu", "\u0440rod\u2013eu"),
        ("Straße", "Stra\u03b2e"),
    ],
)
def test_keys_cannot_share_a_name_regardless_of_case(ada, first, second):
    assert ada.post("/keys", {"name": first}).status_code == 201
    assert "already have a key named" in name_error(ada.post("/keys", {"name": second}))
    other = ada.post("/keys", {"name": "other"}).json
    assert "already have a key named" in name_error(ada.patch(f"/keys/{other['id']}", {"name": second}))
    assert len(ada.get("/keys").json["items"]) == 2


def test_name_that_differs_by_invisible_characters_is_taken(ada):
    assert ada.post("/keys", {"name": "My <CI>"}).status_code == 201
    for character in INVISIBLE:
        sentence = name_error(ada.post("/keys", {"name": f"my{character} <c{character}i>{character}"}))
        assert sentence.startswith("You already have a key named My <CI>")
    assert sentence.endswith("My <CI>, which looks the same. Choose another name")


def test_name_of_a_previous_key_stays_taken_after_its_successor(ada):
    old = ada.post("/keys", {"name": "CI"}).json
    new = ada.post(f"/keys/{old['id']}/rotation", {"overlap": 3600}).json
    assert ada.delete(f"/keys/{new['id']}").status_code == 204
    assert "already have a key named CI." in name_error(ada.post("/keys", {"name": "ci"}))
    other = ada.post("/keys", {"name": "other"}).json
    assert "already have a key named CI." in name_error(ada.patch(f"/keys/{other['id']}", {"name": "CI"}))
    assert ada.patch(f"/keys/{old['id']}", {"name": "old CI"}).status_code == 200
    assert ada.post("/keys", {"name": "CI"}).status_code == 201


def test_key_is_not_restored_beside_another_key_of_its_name(ada):
    first = ada.post("/keys", {"name": "CI"}).json
    ada.delete(f"/keys/{first['id']}")
    old = ada.post("/keys", {"name": "CI"}).json
    new = ada.post(f"/keys/{old['id']}/rotation", {"overlap": 3600}).json
    ada.delete(f"/keys/{new['id']}")
    problem = problem_of(ada.delete(f"/keys/{first['id']}/revocation"), 409, "conflict")
    assert problem["detail"].startswith("You have another key named CI meanwhile.")
    assert ada.delete(f"/keys/{new['id']}/revocation").status_code in (200, 204)


def test_key_too_old_to_restore_is_named_before_the_taken_name(ada):
    first = ada.post("/keys", {"name": "CI"}).json
    ada.delete(f"/keys/{first['id']}")
    ada.post("/keys", {"name": "CI"})
    with time_machine.travel(now() + timedelta(hours=25)):
        problem = problem_of(ada.delete(f"/keys/{first['id']}/revocation"), 409, "conflict")
    assert problem["detail"].startswith("This key was revoked more than 24 hours ago")


def test_name_of_an_expired_key_is_available_after_revocation(ada):
    key = ada.post(
        "/keys", {"name": "CI", "expires_at": f"{now() + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
    ).json
    with time_machine.travel(now() + timedelta(hours=2)):
        sentence = name_error(ada.post("/keys", {"name": "CI"}))
        assert sentence.endswith("a key named CI, which has expired. Revoke it, or choose another name")
        ada.delete(f"/keys/{key['id']}")
        assert ada.post("/keys", {"name": "CI"}).status_code == 201


@pytest.mark.parametrize(
    ("first", "second"), [("v1", "vl"), ("no\u0308de", "node"), ("東京", "京東"), ("a b", "ab")]
)
def test_visibly_different_names_are_both_accepted(ada, first, second):
    assert [ada.post("/keys", {"name": name}).status_code for name in (first, second)] == [201, 201]


def test_name_of_a_revoked_key_is_available(ada):
    first = ada.post("/keys", {"name": "CI"}).json
    ada.delete(f"/keys/{first['id']}")
    second = ada.post("/keys", {"name": "CI"})
    assert second.status_code == 201
    ada.delete(f"/keys/{second.json['id']}")
    assert ada.post("/keys", {"name": "CI"}).status_code == 201


def test_different_people_may_use_the_same_name(cast, api, ada):
    assert ada.post("/keys", {"name": "CI"}).status_code == 201
    assert api(cast.ben.session()).post("/keys", {"name": "CI"}).status_code == 201


@pytest.mark.parametrize("name", ["", "x" * 65, "a\u202eb"])
def test_renaming_follows_the_same_rules(cast, ada, name):
    key = cast.ada.key("CI")
    assert name_error(ada.patch(f"/keys/{key.id}", {"name": name}))
    assert ada.get(f"/keys/{key.id}").json["name"] == "CI"

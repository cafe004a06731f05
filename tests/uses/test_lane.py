"""What is answered before Flask is what Flask would have answered, and is recorded in the same words."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from reflow_accounts.api_keys.models import ApiKey
from reflow_accounts.extensions import db, now
from tests.helpers import rows
from tests.helpers.api import problem_of

# An empty query is nothing new, but the lane leaves every query to Flask.
THROUGH_FLASK = "/me?x=1"


def test_both_ways_give_the_same_answer(cast, api):
    for person in (cast.ada, cast.ben, cast.ci, cast.charlie):
        key = person.key()
        fast, slow = api(key.secret).get("/me"), api(key.secret).get(THROUGH_FLASK)
        assert (fast.status_code, slow.status_code) == (200, 200)
        assert fast.data == slow.data
        assert dict(fast.headers) == {k: v for k, v in slow.headers.items() if k != "Vary"}


def test_both_ways_record_the_same_use(app, cast, api):
    key = cast.ada.key()
    api(key.secret, user_agent="x" * 300).get("/me")
    api(key.secret, user_agent="x" * 300).get(THROUGH_FLASK)
    fast, slow = rows.uses_of(app, key.id)
    assert fast == slow


@pytest.mark.parametrize("how", ["revoked", "disabled", "expired", "unsubscribed", "wrong"])
def test_what_is_not_plainly_good_is_left_to_flask(app, cast, api, how):
    key = cast.ada.key(expires_at=now() + timedelta(days=1))
    assert api(key.secret).get("/me").status_code == 200
    secret = key.secret
    if how == "revoked":
        cast.ada.revoke(key)
    elif how == "expired":
        with app.app_context():
            db.session.execute(update(ApiKey).values(expires_at=now() - timedelta(seconds=1)))
            db.session.commit()
    elif how == "disabled":
        cast.ada.change(disabled_at=now())
    elif how == "unsubscribed":
        cast.acme.unsubscribe()
    else:
        secret = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    code = {
        "revoked": (401, "revoked_key"),
        "expired": (401, "expired_key"),
        "disabled": (401, "unknown_key"),
        "unsubscribed": (403, "subscription_inactive"),
        "wrong": (401, "malformed_key"),
    }[how]
    problem_of(api(secret).get("/me"), *code)
    recorded = [use.outcome for use in rows.uses_of(app, key.id)]
    assert recorded == ["accepted"] + ["subscription_inactive"] * (how == "unsubscribed")


def test_a_use_refused_for_the_subscription_is_recorded_once(app, cast, api):
    key = cast.ada.key()
    cast.acme.unsubscribe()
    api(key.secret).get("/me")
    assert [use.outcome for use in rows.uses_of(app, key.id)] == ["subscription_inactive"]


def test_a_key_of_somebody_in_two_teams_needs_one_that_pays(cast, api):
    from reflow_accounts.teams.models import Rights

    cast.acme.add(cast.nina, Rights.VIEW)
    key = cast.nina.key()
    answer = api(key.secret).get("/me").json
    assert {team["name"]: team["subscription"] for team in answer["teams"]} == {
        "Solo": "inactive",
        "Acme": "active",
    }
    cast.acme.unsubscribe()
    assert api(key.secret).get("/me").status_code == 403

"""The clock jumps: uses, limits and sessions stay right."""

from datetime import timedelta

import pytest
import time_machine

from tests.helpers import rows

pytestmark = pytest.mark.postgresql_later


def test_jumping_clock_loses_and_doubles_no_use(app, cast, flask):
    key = cast.ada.key()
    headers = {"Authorization": f"Bearer {key.secret}"}
    with time_machine.travel("2026-11-29T12:00:00Z", tick=False) as clock:
        for jump in (timedelta(), timedelta(hours=-1), timedelta(days=3), timedelta(days=-2), timedelta()):
            clock.shift(jump)
            for _ in range(2):
                assert app.test_client().get("/api/v1/me", headers=headers).status_code == 200
            assert flask("uses", "roll-up")[0] == 0
    assert len(rows.uses_of(app, key.id)) == 10
    assert flask("uses", "verify")[0] == 0


def test_clock_that_jumps_back_opens_no_limit_and_forward_ends_it(cast, api):
    wrong = {"email": cast.ada.email, "password": "this-is-not-it"}  # pragma: allowlist secret
    with time_machine.travel("2026-11-29T12:00:00Z", tick=False) as clock:
        statuses = [api().post("/sessions", wrong).status_code for _ in range(11)]
        assert statuses == [401] * 10 + [429]
        clock.shift(timedelta(hours=-1))
        assert api().post("/sessions", wrong).status_code == 429
        clock.shift(timedelta(hours=2))
        assert api().post("/sessions", wrong).status_code == 401

"""Unexpected errors: a request id for support, the traceback in the log (OWASP ASVS 5.0, 16.5)."""

import re

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.database import db
from reflow_accounts.rate_limits.models import LimitCount

pytestmark = pytest.mark.postgresql_later

TYPED = "what somebody typed"


@pytest.fixture
def broken(another):
    """The application with a failing route at each entry point."""
    made = another()

    def fail():
        raise RuntimeError(TYPED)

    def write():
        db.session.execute(insert(LimitCount).values(key="x"))

    def wait():
        raise PoolTimeoutError

    made.add_url_rule("/refused", "public.refused", write)
    made.add_url_rule("/crowded", "public.crowded", wait)
    made.add_url_rule("/broken", "public.broken", fail)
    made.add_url_rule("/broken/<rest>", "public.broken_deeper", lambda rest: fail())
    made.add_url_rule("/api/v1/broken", "broken", fail)
    fail.is_open_to_all = True
    return made.test_client()


def test_debugger_is_off(another):
    assert not another().debug


def test_failed_page_shows_request_id_and_no_details(broken, caplog):
    answer = broken.get("/broken")
    assert answer.status_code == 500
    [number] = set(re.findall(r"req_[0-9a-f]{12}", answer.text))
    assert "Something went wrong on our side" in answer.text
    for word in (TYPED, "RuntimeError", "Traceback", ".py"):
        assert word not in answer.text
    assert number in caplog.text
    assert "RuntimeError" in caplog.text
    assert TYPED not in caplog.text


def test_log_omits_query_and_secrets_of_the_path(broken, caplog):
    secret = new_secret(KEY_PREFIX)
    assert broken.get(f"/broken/{secret}", query_string={"q": TYPED, "key": secret}).status_code == 500
    assert f"/broken/{KEY_PREFIX}…" in caplog.text
    for word in (secret, secret[len(KEY_PREFIX) :][:12], "q=", "key="):
        assert word not in caplog.text


def test_failed_api_request_has_request_id_and_no_details(broken, caplog):
    answer = broken.get("/api/v1/broken")
    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")
    assert answer.json["request_id"] in caplog.text
    for word in (TYPED, "RuntimeError", "Traceback", ".py"):
        assert word not in answer.text
    assert TYPED not in caplog.text


def test_refused_statement_is_500_and_shows_no_values(broken, app, caplog):
    answer = broken.get("/refused")
    assert (answer.status_code, "Retry-After" in answer.headers) == (500, False)
    assert "IntegrityError" in caplog.text
    with app.app_context(), pytest.raises(IntegrityError) as raised:
        db.session.execute(insert(LimitCount).values(key=TYPED))
    assert "SQL parameters hidden" in str(raised.value)


def test_pool_timeout_is_503(broken):
    answer = broken.get("/crowded")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")

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

USER_INPUT = "what somebody typed"


@pytest.fixture
def broken(another):
    """The application with a failing route at each entry point."""
    app_ = another()

    def fail():
        raise RuntimeError(USER_INPUT)

    def write():
        db.session.execute(insert(LimitCount).values(key="x"))

    def wait():
        raise PoolTimeoutError

    app_.add_url_rule("/refused", "public.refused", write)
    app_.add_url_rule("/crowded", "public.crowded", wait)
    app_.add_url_rule("/broken", "public.broken", fail)
    app_.add_url_rule("/broken/<rest>", "public.broken_deeper", lambda rest: fail())
    app_.add_url_rule("/api/v1/broken", "broken", fail)
    fail.is_open_to_all = True
    return app_.test_client()


def test_debugger_is_off(another):
    assert not another().debug


def test_failed_page_shows_request_id_and_no_details(broken, caplog):
    response = broken.get("/broken")
    assert response.status_code == 500
    [request_id] = set(re.findall(r"req_[0-9a-f]{12}", response.text))
    assert "Something went wrong on our side" in response.text
    for detail in (USER_INPUT, "RuntimeError", "Traceback", ".py"):
        assert detail not in response.text
    assert request_id in caplog.text
    assert "RuntimeError" in caplog.text
    assert USER_INPUT not in caplog.text


def test_log_omits_query_and_secrets_of_the_path(broken, caplog):
    secret = new_secret(KEY_PREFIX)
    assert broken.get(f"/broken/{secret}", query_string={"q": USER_INPUT, "key": secret}).status_code == 500
    assert f"/broken/{KEY_PREFIX}…" in caplog.text
    for detail in (secret, secret[len(KEY_PREFIX) :][:12], "q=", "key="):
        assert detail not in caplog.text


def test_failed_api_request_has_request_id_and_no_details(broken, caplog):
    response = broken.get("/api/v1/broken")
    assert (response.status_code, response.json["code"]) == (500, "internal_error")
    assert response.json["request_id"] in caplog.text
    for detail in (USER_INPUT, "RuntimeError", "Traceback", ".py"):
        assert detail not in response.text
    assert USER_INPUT not in caplog.text


def test_refused_statement_is_500_and_shows_no_values(broken, app, caplog):
    response = broken.get("/refused")
    assert (response.status_code, "Retry-After" in response.headers) == (500, False)
    assert "IntegrityError" in caplog.text
    with app.app_context(), pytest.raises(IntegrityError) as raised:
        db.session.execute(insert(LimitCount).values(key=USER_INPUT))
    assert "SQL parameters hidden" in str(raised.value)


def test_pool_timeout_is_503(broken):
    response = broken.get("/crowded")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")

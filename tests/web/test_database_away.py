"""While the database is away everything that needs it is 503, and nothing is a false refusal or acceptance."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.contract import KEY_PREFIX
from reflow_accounts.extensions import db
from reflow_accounts.identity.secrets import new_secret

NOBODY_LISTENS = "postgresql://nobody:nothing@127.0.0.1:1/none"


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An application whose database does not answer."""
    folder: Path = tmp_path_factory.mktemp("instance")
    environ = {
        "REFLOW_INSTANCE": str(folder),
        "REFLOW_DATABASE_URL": NOBODY_LISTENS,
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    return create_app(config.load(environ))


@pytest.mark.parametrize("path", ["/", "/account/api-keys", "/account/activity", "/login", "/readyz"])
def test_a_page_of_somebody_signed_in_is_503_and_says_to_try_again(cut_off: Flask, path: str) -> None:
    browser = cut_off.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "a value that the database would know"
    answer = browser.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "cannot reach its database" in answer.text
    assert NOBODY_LISTENS not in answer.text


def test_a_key_is_neither_refused_nor_accepted(cut_off: Flask) -> None:
    secret = new_secret(KEY_PREFIX)
    answer = cut_off.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_a_wrong_checksum_is_refused_without_the_database(cut_off: Flask) -> None:
    answer = cut_off.test_client().get("/api/v1/me", headers={"Authorization": "Bearer rfk_nonsense"})
    assert (answer.status_code, answer.json["code"]) == (401, "malformed_key")


@pytest.mark.parametrize("path", ["/healthz", "/help/cli", "/privacy"])
def test_what_needs_no_database_goes_on(cut_off: Flask, path: str) -> None:
    assert cut_off.test_client().get(path).status_code == 200


def test_the_page_that_says_so_does_not_wait_for_the_database_again(cut_off: Flask) -> None:
    tries: list[object] = []
    with cut_off.app_context():
        engine = db.engine
    # First in line: the listener that connects ends the line.
    event.listen(engine, "do_connect", lambda *words: tries.append(words) or None, insert=True)
    assert cut_off.test_client().get("/readyz").status_code == 503
    browser = cut_off.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "a value that the database would know"
    before = len(tries)
    assert browser.get("/account/profile").status_code == 503
    assert len(tries) - before == 1

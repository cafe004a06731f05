"""Without the database, requests that need it get 503; no key is refused or accepted by mistake."""

import json
import re
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from flask import Flask

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.auth.secrets import new_secret
from reflow_accounts.contract import KEY_PREFIX

NOBODY_LISTENS = "postgresql://nobody:nothing@127.0.0.1:1/none"


def application(folder: Path, database_url: str) -> Flask:
    environ = {
        "REFLOW_INSTANCE": str(folder),
        "REFLOW_DATABASE_URL": database_url,
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    return create_app(config.load(environ))


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An application whose database does not answer."""
    return application(tmp_path_factory.mktemp("instance"), NOBODY_LISTENS)


@pytest.mark.parametrize("path", ["/", "/account/api-keys", "/account/activity", "/login"])
def test_account_page_is_503(cut_off: Flask, path: str) -> None:
    browser = cut_off.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "a value that the database would know"
    answer = browser.get(path)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "cannot reach its database" in answer.text
    assert NOBODY_LISTENS not in answer.text


def test_readiness_names_the_database(cut_off: Flask) -> None:
    answer = cut_off.test_client().get("/readyz")
    assert (answer.status_code, answer.json["not_ready"]) == (503, ["database"])
    assert NOBODY_LISTENS not in answer.text


def test_key_is_neither_refused_nor_accepted(cut_off: Flask) -> None:
    secret = new_secret(KEY_PREFIX)
    answer = cut_off.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert (answer.status_code, answer.json["code"]) == (503, "unavailable")
    assert answer.headers["Retry-After"] == "5"


def test_wrong_checksum_is_refused_without_the_database(cut_off: Flask) -> None:
    answer = cut_off.test_client().get("/api/v1/me", headers={"Authorization": "Bearer rfk_nonsense"})
    assert (answer.status_code, answer.json["code"]) == (401, "malformed_key")


@pytest.mark.parametrize("path", ["/healthz", "/help/cli", "/privacy"])
def test_pages_without_database_work(cut_off: Flask, path: str) -> None:
    assert cut_off.test_client().get(path).status_code == 200


def test_503_page_does_not_wait_for_the_database_again(tmp_path: Path) -> None:
    tries: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hang_up, args=(server, tries), daemon=True).start()
        app = application(tmp_path, f"postgresql://nobody:nothing@127.0.0.1:{server.getsockname()[1]}/none")
        browser = app.test_client()
        with browser.session_transaction() as session:
            session["_user_id"] = "a value that the database would know"
        assert browser.get("/account/profile").status_code == 503
        assert len(tries) == 1


def hang_up(server: socket.socket, tries: list[object]) -> None:
    """Accept connections and close them at once."""
    with suppress(OSError):  # closed
        while True:
            connection, address = server.accept()
            tries.append(address)
            connection.close()


def test_htmx_is_told_with_a_number_and_the_way_to_support(cut_off: Flask) -> None:
    browser = cut_off.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "a value that the database would know"
    answer = browser.get("/account/api-keys/new", headers={"HX-Request": "true", "HX-Target": "div#modal"})
    assert answer.status_code == 503
    assert "Reflow cannot reach its database" in answer.text
    assert re.search(r"<code[^>]*>req_[0-9a-f]{12}</code>", answer.text)
    assert "Contact support" in answer.text
    assert "<html" not in answer.text
    # Of a form nobody knows yet whether it was done.
    assert "Nothing was changed" not in answer.text
    assert json.loads(answer.headers["ReflowError"])["request_id"] in answer.text

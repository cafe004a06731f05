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

UNREACHABLE_URL = "postgresql://nobody:nothing@127.0.0.1:1/none"


def application(folder: Path, database_url: str) -> Flask:
    environ = {
        "REFLOW_INSTANCE": str(folder),
        "REFLOW_DATABASE_URL": database_url,
        "REFLOW_PASSWORD_ROUNDS": "4",
    }
    return create_app(config.load(environ))


@pytest.fixture(scope="module")
def app_without_database(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An application whose database does not answer."""
    return application(tmp_path_factory.mktemp("instance"), UNREACHABLE_URL)


@pytest.mark.parametrize("path", ["/", "/account/api-keys", "/account/activity", "/login"])
def test_account_page_is_503(app_without_database: Flask, path: str) -> None:
    browser = app_without_database.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "a value that the database would know"
    response = browser.get(path)
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "cannot reach its database" in response.text
    assert UNREACHABLE_URL not in response.text


def test_readiness_names_the_database(app_without_database: Flask) -> None:
    response = app_without_database.test_client().get("/readyz")
    assert (response.status_code, response.json["not_ready"]) == (503, ["database"])
    assert UNREACHABLE_URL not in response.text


def test_key_check_is_503(app_without_database: Flask) -> None:
    secret = new_secret(KEY_PREFIX)
    response = app_without_database.test_client().get(
        "/api/v1/me", headers={"Authorization": f"Bearer {secret}"}
    )
    assert (response.status_code, response.json["code"]) == (503, "unavailable")
    assert response.headers["Retry-After"] == "5"


def test_wrong_checksum_is_refused_without_the_database(app_without_database: Flask) -> None:
    response = app_without_database.test_client().get(
        "/api/v1/me", headers={"Authorization": "Bearer rfk_nonsense"}
    )
    assert (response.status_code, response.json["code"]) == (401, "malformed_key")


@pytest.mark.parametrize("path", ["/healthz", "/help/cli", "/privacy"])
def test_pages_that_need_no_database_work(app_without_database: Flask, path: str) -> None:
    assert app_without_database.test_client().get(path).status_code == 200


def test_error_page_does_not_wait_for_the_database_again(tmp_path: Path) -> None:
    connections: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=close_connections, args=(server, connections), daemon=True).start()
        app = application(tmp_path, f"postgresql://nobody:nothing@127.0.0.1:{server.getsockname()[1]}/none")
        browser = app.test_client()
        with browser.session_transaction() as session:
            session["_user_id"] = "a value that the database would know"
        assert browser.get("/account/profile").status_code == 503
        assert len(connections) == 1


def close_connections(server: socket.socket, connections: list[object]) -> None:
    """Accept connections and close them at once."""
    with suppress(OSError):  # closed
        while True:
            connection, address = server.accept()
            connections.append(address)
            connection.close()


def test_htmx_error_has_a_request_id_and_a_link_to_support(app_without_database: Flask) -> None:
    browser = app_without_database.test_client()
    with browser.session_transaction() as session:
        session["_user_id"] = "a value that the database would know"
    response = browser.get("/account/api-keys/new", headers={"HX-Request": "true", "HX-Target": "div#modal"})
    assert response.status_code == 503
    assert "Reflow cannot reach its database" in response.text
    assert re.search(r"<code[^>]*>req_[0-9a-f]{12}</code>", response.text)
    assert "Contact support" in response.text
    assert "<html" not in response.text
    # The outcome of a form is not known yet.
    assert "Nothing was changed" not in response.text
    assert json.loads(response.headers["ReflowError"])["request_id"] in response.text

"""`/healthz` and `/readyz` answer at every host name; readiness names what is missing."""

import flask_migrate
import pytest
from sqlalchemy import text

from reflow_accounts.database import db
from reflow_accounts.web.error_handlers import REFUSED
from tests.helpers import databases
from tests.helpers.asgi_client import AsgiClient

BASE_URL = "https://accounts.example.com"
INTERNAL = ["10.1.2.3:5000", "reflow-web", "[fd00::1]"]


@pytest.fixture
def sqlite_app(tmp_path):
    """An application on an SQLite database of its own, not migrated."""
    app = databases.application(str(tmp_path), f"sqlite:///{tmp_path / 'own.db'}")
    yield app
    databases.close(app)


@pytest.mark.postgresql_later
@pytest.mark.parametrize("host", INTERNAL)
def test_probes_answer_at_every_host_name(another, host):
    client = another(base_url=BASE_URL).test_client()
    for path in ("/healthz", "/readyz"):
        assert client.get(path, headers={"Host": host}).status_code == 200
    for path in ("/login", "/api/v1/me", "/healthz/"):
        assert client.get(path, headers={"Host": host}).status_code in (400, 401), path
    assert client.get("/login", headers={"Host": host}).status_code == 400


@pytest.mark.postgresql_later
@pytest.mark.parametrize(("proxies", "status"), [(1, 204), (0, 400)])
def test_authorize_is_answered_at_internal_addresses_behind_a_proxy(cast, another, proxies, status):
    app, secret = another(base_url=BASE_URL, trusted_proxies=proxies), cast.ada.key().secret
    headers = {"Authorization": f"Bearer {secret}", "Host": "127.0.0.1:5000"}
    path = f"/api/v1/authorize?team={cast.acme.id}&rights=view"
    assert app.test_client().get(path, headers=headers).status_code == status
    asgi = AsgiClient(app)
    assert asgi.get(path, headers).status == status
    assert asgi.get("/api/v1/me", headers).status == 400
    asgi.close()


def test_readiness_names_the_outdated_schema(sqlite_app):
    client = sqlite_app.test_client()
    assert client.get("/readyz").json == {"status": "unavailable", "not_ready": ["database"]}
    databases.migrate(sqlite_app)
    assert client.get("/readyz").json == {"status": "ok"}
    with sqlite_app.app_context():
        flask_migrate.downgrade()
    response = client.get("/readyz")
    assert (response.status_code, response.json["not_ready"]) == (503, ["schema"])
    assert (response.mimetype, response.headers["Retry-After"]) == ("application/json", "5")


def test_readiness_is_json_when_no_thread_is_free(sqlite_app):
    response = sqlite_app.test_client().get("/readyz", environ_overrides={REFUSED: True})
    assert (response.status_code, response.json["not_ready"]) == (503, ["threads"])


def test_newer_compatible_database_is_ready(sqlite_app):
    databases.migrate(sqlite_app)
    with sqlite_app.app_context():
        db.session.execute(text("UPDATE alembic_version SET version_num = version_num + 1"))
        db.session.execute(text("UPDATE alembic_version SET version_num = printf('%04d', version_num)"))
        db.session.commit()
    assert sqlite_app.test_client().get("/readyz").status_code == 200

"""The site accepts its own host names only."""

import tracemalloc
from dataclasses import replace

import pytest

from reflow_accounts import config
from reflow_accounts.web.allowed_hosts import Hosts
from tests.helpers.api import problem_of

pytestmark = pytest.mark.postgresql_later

FOREIGN = [
    "evil.example",
    "evil.example:5000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "203.0.113.5",
    "localhost@evil.example",
    "localhost:5000@evil.example",
    "localhost, evil.example",
    "a b",
    "[",
    "[::2]",
    "x:y:z",
    '"<script>',
    "localhost:port",
    "",
]
OWN_HOSTS = ["localhost", "LOCALHOST:5000", "127.0.0.1", "127.0.0.1:8080", "[::1]", "[::1]:5000"]


def hosts_with(app, **settings):
    return Hosts(replace(app.config["SETTINGS"], **settings))


@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/login", "/account/profile", "/help/api", "/nothing"])
def test_foreign_host_is_refused_by_pages(client, path, host):
    response = client.get(path, headers={"Host": host})
    assert response.status_code == 400
    assert "REFLOW_BASE_URL" in response.text
    assert "evil" not in response.text + str(response.headers)


@pytest.mark.parametrize("host", FOREIGN)
def test_foreign_host_is_refused_by_api(cast, api, host):
    for secret in (cast.ada.key().secret, cast.ada.session()):
        # /authorize answers at every name behind a trusted proxy only.
        for path in ("/me", "/authorize"):
            response = api(secret, Host=host).get(path)
            assert "evil" not in str(problem_of(response, 400, "bad_request"))


def test_foreign_host_is_refused_by_sign_in(cast, client):
    response = client.send(
        "/login", headers={"Host": "evil.example"}, email=cast.ada.email, password=cast.ada.password
    )
    assert response.status_code == 400
    assert "Set-Cookie" not in response.headers


@pytest.mark.parametrize("host", OWN_HOSTS)
def test_local_names_are_accepted(client, host):
    assert client.get("/login", headers={"Host": host}).status_code == 200


def test_host_setting_is_accepted(app, tmp_path):
    loaded = config.load({"REFLOW_INSTANCE": str(tmp_path), "HOST": "Dev.Box"})
    assert hosts_with(app, host=loaded.host).has("dev.box")
    assert hosts_with(app, host="dev.box").has("dev.box:5000")
    assert not hosts_with(app, host="dev.box").has("192.0.2.1")


def test_any_address_and_no_name_is_accepted_on_all_interfaces(app):
    for host in ("", "0.0.0.0", "::"):
        hosts = hosts_with(app, host=host)
        assert hosts.has("192.0.2.1:5000") and hosts.has("[2001:db8::1]:5000")
        assert not hosts.has("rebound.example")


@pytest.mark.parametrize("base_url", ["https://accounts.example.com", "https://[2001:db8::1]:8443"])
def test_base_url_is_the_only_accepted_name(another, base_url):
    created = another(base_url=base_url, host="0.0.0.0")
    created.testing = True
    client = created.test_client()
    assert client.get("/login", base_url=base_url).status_code == 200
    for host in ("localhost", "127.0.0.1", "203.0.113.5", "evil.example", "www.accounts.example.com"):
        assert client.get("/login", headers={"Host": host}, base_url=base_url).status_code == 400


def test_untrusted_proxy_does_not_change_the_host(client):
    response = client.get("/account/profile", headers={"X-Forwarded-Host": "evil.example"})
    assert response.status_code == 303
    assert "evil" not in response.headers["Location"]


def test_forwarded_host_is_checked_too(another):
    created = another(trusted_proxies=1)
    created.testing = True
    response = created.test_client().get("/login", headers={"X-Forwarded-Host": "evil.example"})
    assert response.status_code == 400


def test_refused_hosts_are_not_cached(app):
    hosts = hosts_with(app, host="0.0.0.0")
    tracemalloc.start()
    for number in range(20_000):
        assert hosts.has(f"192.0.2.1:{number % 65536}")
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert memory < 200_000


@pytest.mark.parametrize(("proxies", "forwarded"), [(1, "http, https"), (2, "http, https, http")])
def test_trusted_proxy_sets_the_scheme(another, proxies, forwarded):
    created = another(trusted_proxies=proxies)
    headers = {"X-Forwarded-Proto": forwarded, "X-Forwarded-Host": ", ".join(proxies * ["localhost"])}
    assert (
        created.test_client().get("/api/v1/me", headers=headers).json["type"].startswith("https://localhost/")
    )


def test_configured_number_of_proxies_is_trusted(app, another, cast):
    from tests.auth.test_refused_sign_ins import refusals

    created = another(trusted_proxies=2)
    credentials = {"email": cast.ada.email, "password": "x"}
    # An invalid address is ignored: the peer's is recorded.
    for forwarded in (
        "203.0.113.9, 192.0.2.7, 192.0.2.8",
        "192.0.2.9:40001, 192.0.2.8",
        "a" * 300 + ", 192.0.2.8",
    ):
        created.test_client().post(
            "/api/v1/sessions", json=credentials, headers={"X-Forwarded-For": forwarded}
        )
    assert [address for *_, address in refusals(app)] == ["192.0.2.7", "192.0.2.9", "127.0.0.1"]

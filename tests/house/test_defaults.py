"""No secret has a known default value (OWASP ASVS 5.0, 13.2.3 and 13.3.2)."""

import stat

import pytest
from sqlalchemy.engine import make_url

from reflow_accounts import config
from reflow_accounts.environment import connect_arguments, ensure_known_names
from reflow_accounts.server import bring_up_to_date
from reflow_accounts.users.models import User
from tests.helpers import rows

PRODUCTION = {
    "REFLOW_ENV": "production",
    "REFLOW_SECRET_KEY": "0123456789abcdef" * 2,
    "REFLOW_BASE_URL": "https://accounts.example.com",
}


@pytest.mark.parametrize("missing", ["REFLOW_SECRET_KEY", "REFLOW_BASE_URL"])
def test_production_does_not_start_without_a_key_of_its_own(tmp_path, missing):
    environ = PRODUCTION | {"REFLOW_INSTANCE": str(tmp_path)}
    assert config.load(environ).is_production
    with pytest.raises(config.ConfigError, match=missing):
        config.load(environ | {missing: ""})


@pytest.mark.parametrize(
    "address",
    ["http://accounts.example.com", "http://localhost.example.com", "http://10.0.0.7:5000", "http://0.0.0.0"],
)
def test_production_refuses_http_unless_allowed(tmp_path, address):
    environ = PRODUCTION | {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BASE_URL": address}
    with pytest.raises(
        config.ConfigError, match=r"REFLOW_BASE_URL must start with https://.*REFLOW_ALLOW_HTTP=on"
    ):
        config.load(environ)
    settings = config.load(environ | {"REFLOW_ALLOW_HTTP": "on"})
    assert settings.base_url == address
    assert settings.masked_values()["REFLOW_ALLOW_HTTP"].startswith("on (")
    assert config.load(environ | {"REFLOW_ENV": "development"}).base_url == address


@pytest.mark.parametrize("address", ["http://localhost:5000", "http://127.0.0.1:5000", "http://[::1]:5000"])
def test_production_takes_http_of_this_machine(tmp_path, address):
    environ = PRODUCTION | {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BASE_URL": address}
    assert config.load(environ).base_url == address


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("REFLOW_SECRET_KEY", "ü" * 32, "plain ASCII"),
        ("REFLOW_CLI_INSTALL", "pip install\nreflow", "one line"),
    ],
)
def test_other_characters_are_refused(tmp_path, name, value, message):
    with pytest.raises(config.ConfigError, match=f"{name} must be .*{message}"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), name: value})


@pytest.mark.parametrize("weak", ["dev", "secret", "k" * 31])
def test_short_key_is_refused(tmp_path, weak):
    with pytest.raises(config.ConfigError, match="too short"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), "REFLOW_SECRET_KEY": weak})


@pytest.mark.parametrize("weak", ["k" * 64, "ab" * 32, "12345" * 10])
def test_guessable_key_is_refused(tmp_path, weak):
    with pytest.raises(config.ConfigError, match="REFLOW_SECRET_KEY can be guessed"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), "REFLOW_SECRET_KEY": weak})


def test_key_of_before_is_as_long(tmp_path):
    environ = PRODUCTION | {"REFLOW_INSTANCE": str(tmp_path)}
    old = "fedcba9876543210" * 2  # pragma: allowlist secret
    settings = config.load(environ | {"REFLOW_SECRET_KEY_FALLBACKS": f"{old}, "})
    assert settings.signing_keys == [old, settings.secret_key]
    with pytest.raises(config.ConfigError, match="REFLOW_SECRET_KEY_FALLBACKS is too short"):
        config.load(environ | {"REFLOW_SECRET_KEY_FALLBACKS": f"{old},old"})


def test_defaults_trust_no_proxy_and_weaken_no_password(tmp_path):
    settings = config.load({"REFLOW_INSTANCE": str(tmp_path)})
    assert (settings.trusted_proxies, settings.password_rounds, settings.host) == (0, 12, "127.0.0.1")
    assert (settings.mail_sender, settings.sqlite_synchronous) == ("inside", "NORMAL")
    environ = PRODUCTION | {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_PASSWORD_ROUNDS": "4"}
    assert config.load(environ | {"REFLOW_TRUSTED_PROXIES": "10"}).trusted_proxies == 10
    assert config.load(environ).password_rounds == 12


def test_shown_settings_contain_no_secret(tmp_path):
    secret = "0123456789abcdef" * 2  # pragma: allowlist secret
    settings = PRODUCTION | {
        "REFLOW_INSTANCE": str(tmp_path),
        "REFLOW_SECRET_KEY_FALLBACKS": secret,
        "REFLOW_METRICS_TOKEN": secret,
        "REFLOW_MAIL_URL": f"smtps://me:{secret}@mail.example",
        "REFLOW_RATELIMIT_STORAGE_URL": f"rediss://me:{secret}@valkey.example",
        "REFLOW_BREACHED_PASSWORDS_URL": f"https://me:{secret}@passwords.example",
    }
    assert secret not in str(config.load(settings).masked_values())


@pytest.mark.parametrize(
    ("name", "known"),
    [("REFLOW_BASEURL", "REFLOW_BASE_URL"), ("REFLOW_TRUSTED_PROXY", "REFLOW_TRUSTED_PROXIES")],
)
def test_unknown_setting_is_refused_with_the_nearest_name(tmp_path, name, known):
    with pytest.raises(config.ConfigError, match=f"{name} is not a setting: did you mean {known}[?]"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), name: "x"})


@pytest.mark.parametrize("name", ["REFLOW_AWS_REGION", "REFLOW_X"])
def test_unknown_setting_without_a_near_name_is_refused(tmp_path, name):
    with pytest.raises(config.ConfigError, match=f"{name} is not a setting: remove it"):
        config.load({"REFLOW_INSTANCE": str(tmp_path), name: "x"})


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("https://accounts example.com", "must look like"),
        ("https://-accounts.example", "must look like"),
        ("https://accounts..example", "must look like"),
        ("https://me@accounts.example", "must look like"),
        ("https://accounts.example/path", "without a path"),
        ("https://bücher.example", "ASCII form of its host name, https://xn--"),
    ],
)
def test_host_name_that_browsers_do_not_send_is_refused(tmp_path, address, message):
    environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BASE_URL": address}
    with pytest.raises(config.ConfigError, match=message):
        config.load(environ)


@pytest.mark.parametrize(
    "address", ["https://xn--bcher-kva.example", "https://a_b.example:8443", "http://[::1]:5000"]
)
def test_host_name_or_address_is_taken(tmp_path, address):
    environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BASE_URL": address}
    assert config.load(environ).base_url == address


@pytest.mark.parametrize(
    ("address", "origin"),
    [
        ("https://Accounts.Example:443", "https://accounts.example"),
        ("HTTPS://Accounts.Example", "https://accounts.example"),
        ("http://localhost:80/", "http://localhost"),
    ],
)
def test_base_url_becomes_the_origin_that_browsers_send(tmp_path, address, origin):
    environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_BASE_URL": address}
    assert config.load(environ).base_url == origin


@pytest.mark.parametrize(
    "address", ["http://sqs.example.com/queue", "ftp://localhost", "https://me@sqs.example.com"]
)
def test_exposed_address_of_aws_is_refused(tmp_path, address):
    environ = {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_AWS_QUEUE_URL": address}
    with pytest.raises(
        config.ConfigError, match="REFLOW_AWS_QUEUE_URL must be an address that begins with https://;"
    ):
        config.load(environ)
    environ["REFLOW_AWS_QUEUE_URL"] = "http://localhost:4566/queue"
    assert config.load(environ).aws.queue_url == "http://localhost:4566/queue"


def test_settings_of_the_command_and_all_shown_ones_are_known(tmp_path):
    environ = {"REFLOW_INSTANCE": str(tmp_path)}
    shown = config.load(environ | dict.fromkeys(("REFLOW_API_KEY", "REFLOW_SERVER"), "x")).masked_values()
    ensure_known_names(shown)


def test_development_key_is_private_and_differs_per_instance(tmp_path):
    made = {config.load({"REFLOW_INSTANCE": str(tmp_path / name)}).secret_key for name in "ab"}
    assert len(made) == 2
    for name in "ab":
        file = tmp_path / name / "secret.key"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_several_hosts_of_postgresql_reach_both_drivers(tmp_path):
    hosts = "one:5432,two:5433/accounts?target_session_attrs=read-write"
    written = f"postgresql://me:p%40ss@{hosts}"  # pragma: allowlist secret
    url = config.load({"REFLOW_INSTANCE": str(tmp_path), "REFLOW_DATABASE_URL": written}).database_url
    arguments = connect_arguments(make_url(url))
    assert {name: arguments[name] for name in ("host", "port", "dbname", "user", "password")} == {
        "host": "one,two",
        "port": "5432,5433",
        "dbname": "accounts",
        "user": "me",
        "password": "p@ss",  # pragma: allowlist secret
    }
    assert arguments["target_session_attrs"] == "read-write"


def test_production_starts_without_users(app, flask, monkeypatch, tmp_path):
    settings = config.load(PRODUCTION | {"REFLOW_INSTANCE": str(tmp_path)})
    monkeypatch.setitem(app.config, "SETTINGS", settings)
    with app.app_context():
        assert bring_up_to_date(settings) is False
    assert flask("demo")[0] == 1
    assert rows.count(app, User) == 0

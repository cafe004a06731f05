"""Addresses of databases: which are refused, and which secrets in them are hidden."""

import re

import pytest

from reflow_accounts.config import ConfigError, load

SECRET = "pass-word-of-postgresql"  # pragma: allowlist secret


@pytest.fixture
def environ(tmp_path):
    return {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_SECRET_KEY": "0123456789" * 4}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"me:{SECRET}@one/name", "me:***@one/name"),
        (f"me@one/name?password={SECRET}", "me@one/name?password=hidden"),
        (f"me@one,two/name?sslpassword={SECRET}", "me@/name?host=one&host=two&sslpassword=hidden"),
    ],
)
def test_password_is_not_shown(environ, address, shown):
    settings = load(environ | {"REFLOW_DATABASE_URL": f"postgresql://{address}"})
    assert SECRET in settings.database_url
    assert settings.masked_values()["REFLOW_DATABASE_URL"] == f"postgresql://{shown}"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("sqlite://", "must name a file"),
        ("sqlite:///:memory:", "must name a file"),
        ("postgresql://me@one,[::1]/name", "by name or IPv4 address"),
    ],
)
def test_unusable_address_is_refused(environ, address, message):
    with pytest.raises(ConfigError, match=f"REFLOW_DATABASE_URL .*{message}"):
        load(environ | {"REFLOW_DATABASE_URL": address})


def test_relative_path_starts_in_the_current_folder(environ, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (
        load(environ | {"REFLOW_DATABASE_URL": "sqlite:///my.db"}).database_url
        == f"sqlite:///{tmp_path / 'my.db'}"
    )


@pytest.mark.parametrize(
    "scheme",
    [
        "postgresql+psycopg2",
        "postgresql+asyncpg",
        "postgresql+pysqlite",
        "postgres+psycopg",
        "mysql+psycopg",
        "sqlite+psycopg",
    ],
)
def test_driver_that_is_not_used_is_refused(environ, scheme):
    with pytest.raises(ConfigError, match=rf"must start with postgresql://.* it is {re.escape(scheme)}\."):
        load(environ | {"REFLOW_DATABASE_URL": f"{scheme}://me@one/name"})


@pytest.mark.parametrize("hosts", ["one", "one:5432,two:5432"])
def test_password_with_an_unencoded_at_sign_is_refused_and_not_repeated(environ, hosts):
    address = f"postgresql://me:pass@{SECRET}@{hosts}/name"  # pragma: allowlist secret
    with pytest.raises(ConfigError, match=r"is not a database address: .* with %40 for an @") as refused:
        load(environ | {"REFLOW_DATABASE_URL": address})
    assert SECRET not in str(refused.value)

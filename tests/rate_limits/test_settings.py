"""Settings of rate limits, and counters in Redis or Valkey."""

from dataclasses import replace

import pytest
from limits.storage import MemoryStorage

from reflow_accounts import config
from reflow_accounts.app import create_app
from reflow_accounts.config import ConfigError
from reflow_accounts.rate_limits.counters import limiter

HIDDEN = "hidden"
PRODUCTION = {
    "REFLOW_ENV": "production",
    "REFLOW_SECRET_KEY": "0123456789" * 4,
    "REFLOW_BASE_URL": "https://accounts.example.com",
}


def load(tmp_path, **environ):
    return config.load({"REFLOW_INSTANCE": str(tmp_path)} | environ)


def test_limits_are_on_and_config_says_so(tmp_path):
    settings = load(tmp_path)
    assert settings.rate_limits
    assert settings.masked()["REFLOW_RATE_LIMITS"] == "on"


def test_config_shows_that_limits_are_off(tmp_path):
    told = load(tmp_path, REFLOW_RATE_LIMITS="off").masked()["REFLOW_RATE_LIMITS"]
    assert told.startswith("off (")


def test_production_refuses_to_start_without_limits(tmp_path):
    with pytest.raises(ConfigError, match="REFLOW_RATE_LIMITS=off is refused in production"):
        load(tmp_path, **PRODUCTION, REFLOW_RATE_LIMITS="off")


def test_bad_value_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match="REFLOW_RATE_LIMITS must be one of on, off"):
        load(tmp_path, REFLOW_RATE_LIMITS="false")


@pytest.mark.parametrize("scheme", ["redis", "valkeys"])
def test_storage_whose_package_is_missing_stops_the_start(tmp_path, monkeypatch, scheme):
    monkeypatch.setattr(config, "find_spec", lambda name: None)
    url = f"{scheme}://user:{HIDDEN}@counters.example:6379"
    with pytest.raises(ConfigError, match="needs the package valkey: pip install") as caught:
        load(tmp_path, REFLOW_RATELIMIT_STORAGE_URL=url)
    assert HIDDEN not in str(caught.value)


class Elsewhere(MemoryStorage):
    """Counters somewhere else, which know how they were asked for."""

    STORAGE_SCHEME = ["elsewhere"]

    def __init__(self, uri, **options):
        super().__init__(uri)
        self.options = options


def test_slow_counter_store_is_unavailable(app):
    made = create_app(replace(app.config["SETTINGS"], ratelimit_storage_url="elsewhere://"))
    with made.app_context():
        options = limiter().storage.options
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 2


@pytest.mark.parametrize("are_on", [True, False])
def test_nothing_is_counted_when_limits_are_off(app, are_on):
    made = create_app(replace(app.config["SETTINGS"], rate_limits=are_on))
    with made.app_context():
        assert (limiter() is not None) == are_on

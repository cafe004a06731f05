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


def test_limits_are_on_by_default(tmp_path):
    settings = load(tmp_path)
    assert settings.rate_limits
    assert settings.masked_values()["REFLOW_RATE_LIMITS"] == "on"


def test_config_shows_that_limits_are_off(tmp_path):
    shown = load(tmp_path, REFLOW_RATE_LIMITS="off").masked_values()["REFLOW_RATE_LIMITS"]
    assert shown.startswith("off (")


def test_production_refuses_to_start_without_limits(tmp_path):
    with pytest.raises(ConfigError, match="REFLOW_RATE_LIMITS=off is refused in production"):
        load(tmp_path, **PRODUCTION, REFLOW_RATE_LIMITS="off")


def test_invalid_value_stops_the_start(tmp_path):
    with pytest.raises(ConfigError, match="REFLOW_RATE_LIMITS must be one of on, off"):
        load(tmp_path, REFLOW_RATE_LIMITS="false")


@pytest.mark.parametrize("scheme", ["redis", "valkeys"])
def test_missing_package_of_a_storage_stops_the_start(tmp_path, monkeypatch, scheme):
    monkeypatch.setattr(config, "find_spec", lambda name: None)
    url = f"{scheme}://user:{HIDDEN}@counters.example:6379"
    with pytest.raises(ConfigError, match="needs the package valkey: pip install") as refused:
        load(tmp_path, REFLOW_RATELIMIT_STORAGE_URL=url)
    assert HIDDEN not in str(refused.value)


class OtherStorage(MemoryStorage):
    """A storage that records its options."""

    STORAGE_SCHEME = ["elsewhere"]

    def __init__(self, uri, **options):
        super().__init__(uri)
        self.options = options


def test_counter_storage_has_timeouts(app):
    created = create_app(replace(app.config["SETTINGS"], ratelimit_storage_url="elsewhere://"))
    with created.app_context():
        options = limiter().storage.options
    assert options["socket_timeout"] == options["socket_connect_timeout"] == 2


@pytest.mark.parametrize("enabled", [True, False])
def test_limiter_is_absent_when_limits_are_off(app, enabled):
    created = create_app(replace(app.config["SETTINGS"], rate_limits=enabled))
    with created.app_context():
        assert (limiter() is not None) == enabled

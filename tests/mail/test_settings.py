"""Settings of mail."""

import pytest

from reflow_accounts.config import ConfigError, load

SECRET = "the-password-of-the-mail-server"  # pragma: allowlist secret


@pytest.fixture
def environ(tmp_path):
    return {"REFLOW_INSTANCE": str(tmp_path), "REFLOW_SECRET_KEY": "0123456789" * 4}


def test_default_settings(environ):
    settings = load(environ)
    assert (settings.mail_url, settings.mail_sender) == ("", "inside")
    assert settings.mail_from == settings.support_email == "support@reflow.example"
    assert load(environ | {"REFLOW_SUPPORT_EMAIL": "help@acme.example"}).mail_from == "help@acme.example"


def test_settings_are_shown_without_the_password(environ):
    given = {
        "REFLOW_MAIL_URL": f"smtp://reflow:{SECRET}@mail.example:2525",
        "REFLOW_MAIL_FROM": "no-reply@acme.example",
        "REFLOW_MAIL_SENDER": "worker",
    }
    shown = load(environ | given).masked_values()
    assert {name: shown[name] for name in given} == given | {"REFLOW_MAIL_URL": "smtp://mail.example:2525"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REFLOW_MAIL_SENDER", "outside"),
        ("REFLOW_MAIL_URL", f"http://reflow:{SECRET}@mail.example"),
        ("REFLOW_MAIL_URL", f"smtp://reflow:{SECRET}@"),
        ("REFLOW_MAIL_URL", f"smtp://reflow:{SECRET}@mail.example:none"),
        ("REFLOW_MAIL_FROM", "nobody"),
        ("REFLOW_MAIL_FROM", "a,b@acme.example"),
        ("REFLOW_MAIL_FROM", "Reflow <a@acme.example>"),
        ("REFLOW_MAIL_FROM", "a@acme.example\r\nBcc: b@acme.example"),
        ("REFLOW_MAIL_FROM", "jürgen@acme.example"),
        ("REFLOW_MAIL_FROM", f"a@{'x' * 70}.example"),
    ],
)
def test_invalid_setting_is_refused_by_name(environ, name, value):
    with pytest.raises(ConfigError) as refused:
        load(environ | {name: value})
    assert str(refused.value).startswith(f"{name} must ")
    assert SECRET not in str(refused.value)

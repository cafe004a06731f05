"""Signing in and out, letting a terminal in, and the Security tab."""

from reflow_accounts.auth.pages import (
    confirmation,
    device_login,
    passkey_sign_in,
    passkeys,
    password,
    reset,
    second_factor,
    second_step,
    security_tab,
    sessions,
    sign_in,
)
from reflow_accounts.auth.pages.blueprints import account, device, public, security

# Named so that each module has added its views when the blueprints are registered.
__all__ = [
    "account",
    "confirmation",
    "device",
    "device_login",
    "passkey_sign_in",
    "passkeys",
    "password",
    "public",
    "reset",
    "second_factor",
    "second_step",
    "security",
    "security_tab",
    "sessions",
    "sign_in",
]

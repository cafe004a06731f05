"""Signing in and out, letting a terminal in, and the tabs Profile and Security."""

from reflow_accounts.identity.pages import (
    confirmation,
    device_login,
    email,
    passkey_sign_in,
    passkeys,
    password,
    profile,
    reset,
    second_factor,
    second_step,
    security_tab,
    sessions,
    sign_in,
)
from reflow_accounts.identity.pages.blueprints import account, device, public, security

# Named so that each module has added its views when a door hangs up the blueprints.
__all__ = [
    "account",
    "confirmation",
    "device",
    "device_login",
    "email",
    "passkey_sign_in",
    "passkeys",
    "password",
    "profile",
    "public",
    "reset",
    "second_factor",
    "second_step",
    "security",
    "security_tab",
    "sessions",
    "sign_in",
]

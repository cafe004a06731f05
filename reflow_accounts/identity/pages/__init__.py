"""Signing in and out, and the tabs Profile and Security."""

from reflow_accounts.identity.pages import (
    confirmation,
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
from reflow_accounts.identity.pages.blueprints import account, public, security

# Named so that each module has added its views when a door hangs up the blueprints.
__all__ = [
    "account",
    "confirmation",
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

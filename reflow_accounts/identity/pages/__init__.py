"""Signing in and out, and the tabs Profile and Security."""

from reflow_accounts.identity.pages import (
    confirmation,
    email,
    password,
    profile,
    reset,
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
    "password",
    "profile",
    "public",
    "reset",
    "security",
    "security_tab",
    "sessions",
    "sign_in",
]

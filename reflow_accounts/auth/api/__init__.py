"""Signing the command in and out: with a password, or by way of a browser."""

from reflow_accounts.auth.api.device import blueprint as device
from reflow_accounts.auth.api.sessions import blueprint as sessions

__all__ = ["device", "sessions"]

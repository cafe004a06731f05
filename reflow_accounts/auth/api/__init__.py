"""API of the command's login and logout, with a password or through a browser."""

from reflow_accounts.auth.api.device import blueprint as device
from reflow_accounts.auth.api.sessions import blueprint as sessions

__all__ = ["device", "sessions"]

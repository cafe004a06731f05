"""Reflow Accounts: accounts, teams and API keys for Reflow, and the `reflow` command."""

__version__ = "0.1.0"

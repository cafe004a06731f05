"""Support console: search teams and users, override subscriptions, revoke keys and sessions."""

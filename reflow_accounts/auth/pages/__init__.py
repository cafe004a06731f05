"""Log-in and log-out, the login of a terminal, and the Security tab: the blueprints of each entry point."""

from reflow_accounts.auth.pages import (
    confirmation,
    device_login,
    passkeys,
    reset,
    second_factor,
    second_step,
    security,
    sessions,
    sign_in,
)

PUBLIC = (
    sign_in.blueprint,
    second_step.blueprint,
    reset.blueprint,
)
ACCOUNT = (
    confirmation.blueprint,
    security.blueprint,
    second_factor.blueprint,
    passkeys.blueprint,
    sessions.blueprint,
)
DEVICE = (device_login.blueprint,)

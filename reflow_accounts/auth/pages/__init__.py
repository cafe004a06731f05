"""Log-in and log-out, the login of a terminal, and the Security tab: the blueprints of each entry point."""

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

PUBLIC = (
    sign_in.blueprint,
    passkey_sign_in.blueprint,
    second_step.blueprint,
    reset.blueprint,
)
ACCOUNT = (
    confirmation.blueprint,
    security_tab.blueprint,
    password.blueprint,
    second_factor.blueprint,
    passkeys.blueprint,
    sessions.blueprint,
)
DEVICE = (device_login.blueprint,)

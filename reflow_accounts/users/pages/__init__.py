"""The Profile tab, e-mail change, sign-up and account deletion: the blueprints of each entry point."""

from reflow_accounts.users.pages import deletion, email, profile, sign_up

PUBLIC = (
    sign_up.blueprint,
    email.blueprint,
)
ACCOUNT = (
    profile.blueprint,
    deletion.blueprint,
)

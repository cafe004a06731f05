"""The API Keys tab, the keys of a service account, and the page that makes a key for CI."""

from reflow_accounts.api_keys.pages import ci_key, own_keys, service_account_keys
from reflow_accounts.api_keys.pages.blueprints import pages, service_account_pages

# Named so that each module has added its views when the blueprints are registered.
__all__ = [
    "ci_key",
    "own_keys",
    "pages",
    "service_account_keys",
    "service_account_pages",
]

"""The section "Service accounts" of a team, the keys of one, and the page that makes a key for CI."""

from reflow_accounts.service_accounts.pages import ci_key, keys, section
from reflow_accounts.service_accounts.pages.blueprints import pages

# Named so that each module has added its views when a door hangs up the blueprint.
__all__ = ["ci_key", "keys", "pages", "section"]

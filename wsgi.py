"""What a WSGI server and the `flask` command load."""

import sys

from reflow_accounts.app import create_app
from reflow_accounts.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"reflow-accounts: {error}")

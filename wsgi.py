"""What a WSGI server and the `flask` command load."""

import sys

from werkzeug.serving import is_running_from_reloader

from reflow_accounts import chores
from reflow_accounts.app import create_app
from reflow_accounts.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"reflow-accounts: {error}")

# `make dev`: this process serves, the one above it only watches for changes. In production `serve` says it.
if is_running_from_reloader():
    chores.start(app)

"""What any WSGI server and the `flask` command load. `serve` runs reflow_accounts/asgi.py instead."""

import sys

from reflow_accounts import background_jobs
from reflow_accounts.app import create_app
from reflow_accounts.config import ConfigError

try:
    app = create_app()
except ConfigError as error:
    sys.exit(f"reflow-accounts: {error}")


@app.before_request
def start_background_jobs() -> None:
    """Start them in each process that serves, at its first request: a command needs none."""
    background_jobs.start(app)

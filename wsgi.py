"""The module that WSGI servers and the `flask` command load. `serve` runs reflow_accounts/asgi.py instead."""

from reflow_accounts import background_jobs
from reflow_accounts.app import load_app

app = load_app()


@app.before_request
def start_background_jobs() -> None:
    """Start the background jobs at the first request of a serving process; commands need none."""
    background_jobs.start(app)

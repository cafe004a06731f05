"""What an ASGI server loads: importing this makes the application, as wsgi.py does for WSGI servers."""

import sys

from reflow_accounts.app import create_app
from reflow_accounts.config import ConfigError
from reflow_accounts.service import Service
from reflow_accounts.web import request_logging

request_logging.configure_process()
try:
    app = Service(create_app())
except ConfigError as error:
    sys.exit(f"reflow-accounts: {error}")

"""The module that an ASGI server loads. Importing it creates the application, as wsgi.py does for WSGI servers."""

from reflow_accounts.app import load_app
from reflow_accounts.service import Service
from reflow_accounts.web import request_logging

request_logging.configure_process()
app = Service(load_app())

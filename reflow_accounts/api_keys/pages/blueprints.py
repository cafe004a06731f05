"""The blueprints of these pages, to which the modules beside this one add their views."""

from flask import Blueprint

pages = Blueprint("api_keys", __name__, url_prefix="/api-keys")
service_account_pages = Blueprint("service_account_keys", __name__, url_prefix="/teams/<team_id>")

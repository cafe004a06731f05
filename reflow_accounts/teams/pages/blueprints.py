"""The blueprints of these pages, to which the modules beside this one add their views."""

from flask import Blueprint

account = Blueprint("team", __name__)
public = Blueprint("invitations", __name__, url_prefix="/invitations")
service_account_pages = Blueprint("service_accounts", __name__, url_prefix="/teams/<team_id>")

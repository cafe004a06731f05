"""The blueprints of these pages, to which the modules beside this one add their views."""

from flask import Blueprint

public = Blueprint("auth", __name__)
account = Blueprint("confirmation", __name__)
security = Blueprint("security", __name__, url_prefix="/security")
device = Blueprint("device_login", __name__)

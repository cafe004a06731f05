"""The blueprints of this room, which the modules beside this one fill."""

from flask import Blueprint

public = Blueprint("identity", __name__)
account = Blueprint("profile", __name__)
security = Blueprint("security", __name__, url_prefix="/security")
device = Blueprint("device_login", __name__)

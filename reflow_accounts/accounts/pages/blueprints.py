"""The blueprints of this room, which the modules beside this one fill."""

from flask import Blueprint

public = Blueprint("accounts", __name__)
account = Blueprint("deletion", __name__, url_prefix="/profile/deletion")

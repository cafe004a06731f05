"""The blueprints of this room, which the modules beside this one fill."""

from flask import Blueprint

account = Blueprint("team", __name__)
public = Blueprint("invitations", __name__, url_prefix="/invitations")

"""The blueprints of these pages, to which the modules beside this one add their views."""

from flask import Blueprint

public = Blueprint("users", __name__)
account = Blueprint("profile", __name__)
account_deletion = Blueprint("deletion", __name__, url_prefix="/profile/deletion")

"""The blueprint of this room, which the modules beside this one fill."""

from flask import Blueprint
from werkzeug.wrappers import Response

pages = Blueprint("console", __name__)

Answer = str | Response | tuple[str, int]

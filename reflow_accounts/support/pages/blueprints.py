"""The blueprint of these pages, to which the modules beside this one add their views."""

from flask import Blueprint
from werkzeug.wrappers import Response

pages = Blueprint("console", __name__)

Answer = str | Response | tuple[str, int]

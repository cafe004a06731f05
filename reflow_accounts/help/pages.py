"""The help pages. The API's page is drawn from the same document that programs read."""

from flask import Blueprint, render_template

from reflow_accounts.contract import Exit
from reflow_accounts.help.reference import operations, schemas
from reflow_accounts.web.addresses import absolute
from reflow_accounts.web.openapi import api as openapi

pages = Blueprint("help", __name__)


@pages.get("/help/api-keys")
def api_keys() -> str:
    """How API keys work."""
    return render_template("help/api_keys.html")


@pages.get("/help/cli")
def cli() -> str:
    """How the command works."""
    return render_template("help/cli.html", exits=Exit)


@pages.get("/help/api")
def api() -> str:
    """The reference of the API."""
    document = openapi.spec.to_dict()
    shown = {"operations": operations(document), "schemas": schemas(document), "absolute": absolute}
    return render_template("help/api.html", **shown)


@pages.get("/privacy")
def privacy() -> str:
    """What is kept, and the one cookie."""
    return render_template("help/privacy.html")

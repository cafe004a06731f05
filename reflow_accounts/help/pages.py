"""The help pages."""

from flask import Blueprint, render_template

from reflow_accounts.contract import Exit
from reflow_accounts.distribution import downloads
from reflow_accounts.help.privacy import STORED_DATA
from reflow_accounts.help.reference import formatted, operations, readable, schemas
from reflow_accounts.web.openapi import api as openapi
from reflow_accounts.web.redirects import absolute

pages = Blueprint("help", __name__)


@pages.get("/help/api-keys")
def api_keys() -> str:
    """Explain API keys."""
    return render_template("help/api_keys.html")


@pages.get("/help/cli")
def cli() -> str:
    """Explain the `reflow` command."""
    return render_template("help/cli.html", exits=Exit, files=downloads())


@pages.get("/help/api")
def api() -> str:
    """Show the API reference, made from the OpenAPI document."""
    document = openapi.spec.to_dict()
    shown: dict[str, object] = {
        "operations": operations(document),
        "schemas": schemas(document),
        "absolute": absolute,
    }
    shown |= {"readable": readable, "formatted": formatted}
    return render_template("help/api.html", **shown)


@pages.get("/privacy")
def privacy() -> str:
    """Explain which data and cookies the site stores."""
    return render_template("help/privacy.html", stored_data=STORED_DATA)

"""`/healthz` and `/readyz`, for operators: does the process answer, does the database."""

from flask import Blueprint
from sqlalchemy import text

from reflow_accounts import __version__
from reflow_accounts.database import db

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def alive() -> dict[str, str]:
    """Answer as long as the process does, with its version: the source and its files are public anyway."""
    return {"status": "ok", "version": __version__}


@pages.get("/readyz")
def ready() -> dict[str, str]:
    """Answer when the database does; a database that is away makes it 503."""
    db.session.execute(text("SELECT 1"))
    return {"status": "ok"}

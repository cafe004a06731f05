"""`/healthz` and `/readyz`, for load balancers and container managers. They answer at every host name."""

from flask import Blueprint, Response, jsonify

from reflow_accounts import __version__
from reflow_accounts.monitoring import readiness
from reflow_accounts.web.error_handlers import not_ready

blueprint = Blueprint("monitoring", __name__)


@blueprint.get("/healthz")
def show_health() -> dict[str, str]:
    """Return 200 and the version while the process answers."""
    return {"status": "ok", "version": __version__}


@blueprint.get("/readyz")
def show_readiness() -> Response:
    """Return 200 when requests can be answered, else 503 with the names of what is not ready."""
    names = list(readiness.faults())
    return not_ready(*names) if names else jsonify(status="ok")

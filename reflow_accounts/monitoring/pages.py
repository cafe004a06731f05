"""`/healthz`, `/readyz` and `/metrics`, for monitoring. They answer at every host name."""

import hmac

from flask import Blueprint, Response, abort, current_app, jsonify, request

from reflow_accounts import __version__
from reflow_accounts.config import Settings
from reflow_accounts.monitoring import metrics, readiness
from reflow_accounts.web.error_handlers import not_ready

blueprint = Blueprint("monitoring", __name__)


@blueprint.get("/healthz")
def show_health() -> dict[str, str]:
    """Return 200 and the version."""
    return {"status": "ok", "version": __version__}


@blueprint.get("/readyz")
def show_readiness() -> Response:
    """Return 200 if this process is ready for requests, else 503 with the names of what is not ready."""
    names = list(readiness.faults())
    return not_ready(*names) if names else jsonify(status="ok")


@blueprint.get("/metrics")
def show_metrics() -> Response:
    """Return the metrics for the bearer token REFLOW_METRICS_TOKEN; without that setting, 404."""
    settings: Settings = current_app.config["SETTINGS"]
    if not settings.metrics_token or not metrics.is_enabled(current_app):
        abort(404)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    is_right = hmac.compare_digest(token.strip().encode("utf-8", "replace"), settings.metrics_token.encode())
    if scheme.lower() != "bearer" or not is_right:
        return Response(
            "The metrics need REFLOW_METRICS_TOKEN.\n", 401, {"WWW-Authenticate": "Bearer"}, "text/plain"
        )
    # https://prometheus.io/docs/instrumenting/exposition_formats/
    return Response(metrics.text_of_all(), content_type="text/plain; version=0.0.4; charset=utf-8")

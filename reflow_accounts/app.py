"""create_app(): settings, extensions, blueprints, commands."""

import gc
import os
import sys

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from reflow_accounts import blueprints, commands, config, distribution, paths
from reflow_accounts import revisions as _revisions  # noqa: F401  # registers its table for migrations
from reflow_accounts.auth import encryption, passwords
from reflow_accounts.auth.encryption import Vault
from reflow_accounts.auth.login import ABSOLUTE_LIFETIME
from reflow_accounts.auth.login_manager import user_for_page
from reflow_accounts.auth.passwords import PasswordHasher
from reflow_accounts.config import ConfigError, Settings
from reflow_accounts.database import (
    db,
    give_up_on_silence,
    keep_to_file,
    login_manager,
    migrate,
    set_synchronous,
)
from reflow_accounts.mail import models as _outbox  # noqa: F401  # as above
from reflow_accounts.marketplace import models as _events  # noqa: F401  # as above
from reflow_accounts.monitoring import metrics
from reflow_accounts.rate_limits import counters
from reflow_accounts.web import (
    allowed_hosts,
    compression,
    csrf,
    error_handlers,
    filters,
    htmx,
    openapi,
    request_input,
    request_logging,
    security_headers,
)
from reflow_accounts.web.allowed_hosts import HostGate, Hosts
from reflow_accounts.web.request_input import LARGEST_BODY_BYTES


def create_app(settings: Settings | None = None) -> Flask:
    """Create the application. Raises ConfigError for an invalid setting."""
    settings = settings or config.load()
    request_logging.configure()
    app = Flask(__name__, template_folder=paths.TEMPLATES, static_folder=None)
    app.config.from_mapping(_flask_settings(settings), SETTINGS=settings)
    app.url_map.merge_slashes = False
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    db.init_app(app)
    migrate.init_app(app, db, directory=str(paths.MIGRATIONS))
    login_manager.init_app(app, add_context_processor=False)
    login_manager.session_protection = None
    openapi.api.init_app(app)
    keys = (settings.secret_key, *settings.secret_key_fallbacks)
    passwords.init_app(app, PasswordHasher(keys, settings.password_rounds))
    encryption.init_app(app, Vault(keys))
    counters.init_app(app, settings)
    # After-request handlers run in reverse order, so that compression comes last.
    for part in (compression, csrf, filters, htmx, error_handlers, distribution):
        part.init_app(app)
    security_headers.init_app(app, settings.is_https)
    blueprints.register_blueprints(app)
    metrics.init_app(app)
    # After the handlers of the API, so that the use of a key is recorded even if its request is refused here.
    allowed_hosts.init_app(app)
    request_input.init_app(app)
    commands.init_app(app)
    _add_template_variables(app, settings)
    with app.app_context():
        keep_to_file(db.engine)
        give_up_on_silence(db.engine)
        set_synchronous(db.engine, settings.sqlite_synchronous)
    app.wsgi_app = HostGate(Hosts(settings), app.wsgi_app)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        count = settings.trusted_proxies
        # X-Forwarded-For is read in web/request_info.py.
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=0, x_proto=count, x_host=count)  # type: ignore[method-assign]
    return app


def load_app() -> Flask:
    """Create the application from the environment; exit with one sentence for an invalid setting."""
    _open_closed_streams()
    try:
        app = create_app()
    except ConfigError as error:
        sys.exit(f"reflow-accounts: {error}")
    # Modules and application live as long as the process. Otherwise Python would search them for garbage once more
    # when the process ends, which takes a third of the time of a short command.
    gc.freeze()
    return app


def _open_closed_streams() -> None:
    """Open the standard streams that are closed (`<&-`), before a connection gets the number of one of them."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115  # open as long as the process


def _flask_settings(settings: Settings) -> dict[str, object]:
    return openapi.SETTINGS | {
        "SECRET_KEY": settings.secret_key,
        "SECRET_KEY_FALLBACKS": list(settings.secret_key_fallbacks),
        "SQLALCHEMY_DATABASE_URI": settings.database_url,
        # Parameters may be digests of secrets or user input and must not be logged.
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "hide_parameters": True,
            "pool_pre_ping": True,
            # Enough connections for all threads of service.py that query the database.
            "max_overflow": 40,
            "pool_timeout": 5,
        },
        "MAX_CONTENT_LENGTH": LARGEST_BODY_BYTES,
        "PERMANENT_SESSION_LIFETIME": ABSOLUTE_LIFETIME,
        "SESSION_REFRESH_EACH_REQUEST": False,
        "SESSION_COOKIE_NAME": "__Host-reflow" if settings.is_https else "reflow",
        "DEVICE_COOKIE_NAME": "__Host-reflow-device" if settings.is_https else "reflow-device",
        "CLAIM_COOKIE_NAME": "__Host-reflow-claim" if settings.is_https else "reflow-claim",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": settings.is_https,
        # A token lives as long as its session (web/csrf.py).
        "WTF_CSRF_TIME_LIMIT": None,
    }


def _add_template_variables(app: Flask, settings: Settings) -> None:
    @app.context_processor
    def shown_everywhere() -> dict[str, object]:
        user = None if error_handlers.is_database_away() else user_for_page()
        return {
            "user": user,
            "support_email": settings.support_email,
            "listing_url": settings.aws.listing_url,
        }

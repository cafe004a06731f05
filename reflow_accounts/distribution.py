"""The files that install the `reflow` command (built by hatch_build.py), their download, and the install line."""

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from flask import Blueprint, Flask, current_app, make_response, request
from werkzeug.wrappers import Response

from reflow_accounts import __version__, paths
from reflow_accounts.errors import NotFound
from reflow_accounts.web.compression import keep_uncompressed
from reflow_accounts.web.redirects import origin
from reflow_accounts.web.security_headers import IMMUTABLE

WHEEL = f"reflow_accounts-{__version__}-py3-none-any.whl"
ZIPAPP = "reflow.pyz"
# A wheel is a ZIP file; a zipapp starts with a line of text.
MEDIA_TYPES = {WHEEL: "application/zip", ZIPAPP: "application/octet-stream"}

blueprint = Blueprint("distribution", __name__, url_prefix="/cli")


@dataclass(frozen=True)
class CommandFile:
    """A file of this site, with the SHA-256 of its content in hexadecimal."""

    name: str
    content: bytes
    sha256: str


@cache
def _read(name: str) -> CommandFile:
    content = (paths.COMMAND_FILES / name).read_bytes()
    return CommandFile(name, content, hashlib.sha256(content).hexdigest())


@blueprint.get("/<name>")
def download(name: str) -> Response:
    """Send a file of this version, from memory in one piece, so that a slow client does not hold a thread.

    Raises NotFound for other names, and if the site was installed without the files.
    """
    if name not in MEDIA_TYPES:
        raise NotFound()
    try:
        file = _read(name)
    except FileNotFoundError:
        raise NotFound() from None
    keep_uncompressed()  # both are archives
    response = make_response(file.content, {"Content-Type": MEDIA_TYPES[name]})
    # The name of the wheel contains the version, so the content at this URL never changes.
    response.headers["Cache-Control"] = IMMUTABLE if name == WHEEL else "no-cache"
    response.set_etag(file.sha256)
    return response.make_conditional(request, accept_ranges=True, complete_length=len(file.content))


def downloads() -> list[CommandFile]:
    """List the files with which the site was installed."""
    return [_read(name) for name in MEDIA_TYPES if (paths.COMMAND_FILES / name).is_file()]


def install_line() -> str:
    """Return the shell command that installs `reflow`: REFLOW_CLI_INSTALL, or pipx with the wheel of this site."""
    configured: str = current_app.config["SETTINGS"].cli_install
    return configured or f"pipx install {origin()}{blueprint.url_prefix}/{WHEEL}"


def init_app(app: Flask) -> None:
    """Provide the install line and the address of the site to templates."""
    functions: dict[str, Any] = {"install_line": install_line, "site_address": origin}
    app.jinja_env.globals.update(functions)

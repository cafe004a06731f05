"""Response compression: static files once per process, pages and JSON per response, secrets never."""

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Callable
from functools import cache

import brotli
from flask import Flask, Response, abort, g, request, url_for
from flask_compress import Compress

from reflow_accounts import paths
from reflow_accounts.web.security_headers import IMMUTABLE

_FOR_READERS = re.compile(rb"^\s*//[^\n]*\n|^\s+|/\*.*?\*/", re.MULTILINE | re.DOTALL)
_AROUND_RULES = re.compile(rb"\s*([{};])\s*")
_FINGERPRINT_LENGTH = 12
# In order of preference.
_ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "br": brotli.compress,
    "gzip": lambda content: gzip.compress(content, mtime=0),
}
_SETTINGS = {
    "COMPRESS_ALGORITHM": list(_ENCODINGS),
    # Higher levels take too long for a response that is rendered per request.
    "COMPRESS_BR_LEVEL": 5,
    "COMPRESS_MIMETYPES": ["text/html", "application/json"],
    "COMPRESS_REGISTER": False,
    "COMPRESS_STREAMS": False,
}


def asset(name: str) -> str:
    """Return the URL of a static file; it changes with the content, so caches may keep the file forever."""
    stem, dot, suffix = name.rpartition(".")
    return url_for("static", filename=f"{stem}.{_fingerprint(name)}{dot}{suffix}")


def keep_uncompressed() -> None:
    """Do not compress the response to this GET request: it contains a secret, or would not get smaller."""
    g.is_uncompressed = True


def init_app(app: Flask) -> None:
    """Serve static files, and compress responses to GET requests.

    Responses to other methods stay uncompressed: they may contain a key, a session's secret or recovery codes,
    which the compressed length could reveal to an attacker (BREACH, https://www.breachattack.com/).
    """
    app.add_url_rule("/static/<path:filename>", endpoint="static", view_func=_send)
    app.jinja_env.globals.update(asset=asset)
    app.config.from_mapping(_SETTINGS)
    compress = Compress()
    compress.init_app(app)

    @app.after_request
    def compress_page(response: Response) -> Response:
        is_safe = request.method in ("GET", "HEAD") and not g.get("is_uncompressed")
        return compress.after_request(response) if is_safe else response


def _send(filename: str) -> Response:
    """Send a static file: immutable under the URL of `asset`, revalidated under its plain name."""
    name, fingerprint = _named(filename)
    encoding = request.accept_encodings.best_match([*_ENCODINGS, "identity"])
    if encoding == "identity" or encoding is None:
        content, encoding = _content(name), None
    else:
        content = _compressed(name, encoding)
    response = Response(content, mimetype=mimetypes.guess_type(name)[0])
    response.vary.add("Accept-Encoding")
    if encoding:
        response.content_encoding = encoding
    if fingerprint == _fingerprint(name):
        response.headers["Cache-Control"] = IMMUTABLE
    else:
        response.headers["Cache-Control"] = "no-cache"
    response.set_etag(f"{_fingerprint(name)}-{encoding or 'identity'}")
    response.make_conditional(request)
    return response


def _named(filename: str) -> tuple[str, str]:
    """Return the name of the static file at a URL, and the fingerprint in the URL or "".

    A fingerprint of another version of the file is no error: the page may come from another node.
    """
    if filename in _names():
        return filename, ""
    stem, _, suffix = filename.rpartition(".")
    plain, _, fingerprint = stem.rpartition(".")
    name = f"{plain}.{suffix}"
    if not plain or len(fingerprint) != _FINGERPRINT_LENGTH or name not in _names():
        abort(404)
    return name, fingerprint


@cache
def _names() -> frozenset[str]:
    files = (file for file in paths.STATIC.rglob("*") if file.is_file())
    return frozenset(file.relative_to(paths.STATIC).as_posix() for file in files)


@cache
def _content(name: str) -> bytes:
    content = (paths.STATIC / name).read_bytes()
    # Remove comments and indentation.
    if name.startswith("css/"):
        return _AROUND_RULES.sub(rb"\1", _FOR_READERS.sub(b"", content))
    return _FOR_READERS.sub(b"", content) if name.startswith("js/") else content


@cache
def _compressed(name: str, encoding: str) -> bytes:
    return _ENCODINGS[encoding](_content(name))


@cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256(_content(name)).hexdigest()[:_FINGERPRINT_LENGTH]

"""Security headers of every response, and its Cache-Control."""

from flask import Flask, Response, request

# `data:` for images is for icons in the stylesheet; the key's download link is a navigation, not a load.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "object-src 'none'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# The only headers that apply to stylesheets, scripts and icons; the others are about documents.
_OF_EVERY_KIND = ("X-Content-Type-Options", "Cross-Origin-Resource-Policy", "Strict-Transport-Security")
_SVG = "image/svg+xml"
_NO_DOCUMENTS = ("text/css", "text/javascript", _SVG)
# An icon that is opened as a page runs and loads nothing.
_SVG_POLICY = "default-src 'none'; frame-ancestors 'none'"
_TWO_YEARS = 63_072_000
_HSTS = f"max-age={_TWO_YEARS}; includeSubDomains"
NO_STORE = "no-store"
# One year, for URLs whose content never changes.
IMMUTABLE = "public, max-age=31536000, immutable"


def constant(is_https: bool) -> dict[str, str]:
    """Return the headers that are the same on every response."""
    return _ALWAYS | ({"Strict-Transport-Security": _HSTS} if is_https else {})


def init_app(app: Flask, is_https: bool) -> None:
    """Add the headers that apply to each response of the application."""
    always = list(constant(is_https).items())

    @app.after_request
    def harden(response: Response) -> Response:
        headers = response.headers
        is_document = response.mimetype not in _NO_DOCUMENTS
        if "token" in (request.view_args or {}):
            # Proxies log the address of the page that a request comes from.
            headers["Referrer-Policy"] = "strict-origin"
        if response.mimetype == _SVG:
            headers.setdefault("Content-Security-Policy", _SVG_POLICY)
        for name, value in always:
            if is_document or name in _OF_EVERY_KIND:
                headers.setdefault(name, value)
        headers.setdefault("Cache-Control", NO_STORE)
        if request.method == "OPTIONS" and not response.get_data():
            # Flask's default type would describe a body.
            headers.pop("Content-Type", None)
        return response

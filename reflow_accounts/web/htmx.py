"""htmx request and response headers, and the layout that a request needs."""

import json
from dataclasses import dataclass

from flask import Flask, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from reflow_accounts.web.redirects import current_page

# Layouts of a page that opens as a dialog, by the target of the request.
_SHEETS = {"modal": "layouts/dialog.html", "dialog-panel": "layouts/dialog_panel.html"}


def is_htmx() -> bool:
    """Return whether htmx sent the request and will swap the response into the current page."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def target() -> str:
    """Return the id of the element that htmx will swap, or ""."""
    # htmx 4 sends `div#modal`.
    return request.headers.get("HX-Target", "").rpartition("#")[2] if is_htmx() else ""


def is_dialog() -> bool:
    """Return whether the response is swapped into a dialog."""
    return target() in _SHEETS


def opens_dialog() -> bool:
    """Return whether to show a question or an error in a new dialog, because it is not part of the page."""
    return is_htmx() and not is_dialog()


def is_part() -> bool:
    """Return whether the response updates a part of the page; False when it replaces all below the header."""
    return is_htmx() and target() != "main"


@dataclass(frozen=True)
class Frame:
    """The layouts of a request: `frame` for pages, `sheet` for pages that open as a dialog."""

    frame: str
    sheet: str
    is_dialog: bool

    @classmethod
    def of_request(cls) -> "Frame":
        frame = "layouts/fragment.html" if is_htmx() else "layouts/page.html"
        return cls(frame, _SHEETS.get(target(), "layouts/sheet.html"), is_dialog())


def close_dialog(response: Response, message: str) -> Response:
    """Make the page close its dialog, focus the heading of the section and announce `message`."""
    response.headers["HX-Trigger"] = json.dumps({"close-dialog": {"message": message}})
    return response


def person() -> str:
    """Return the public id of the user for whom the sending page was rendered, or ""."""
    return request.headers.get("ReflowPerson", "") if is_htmx() else ""


def explain(response: Response, facts: dict[str, str]) -> None:
    """Send app.js the texts of a server error, because htmx does not swap its response."""
    response.headers["ReflowError"] = json.dumps(facts)


def in_note(response: Response) -> Response:
    """Make htmx insert the response above the submitted form, which keeps its input."""
    response.headers["HX-Retarget"] = "#dialog-panel .dlg-body" if is_dialog() else "#main"
    response.headers["HX-Reswap"] = "afterbegin"
    return response


def in_new_dialog(response: Response) -> Response:
    """Make htmx show the response as a dialog, whatever the target of the request."""
    response.headers["HX-Retarget"] = "#modal"
    response.headers["HX-Reswap"] = "innerHTML"
    # A search selects its part of the response and changes the URL.
    response.headers["HX-Reselect"] = "dialog"
    response.headers["HX-Replace-Url"] = "false"
    return response


def replace_address(response: Response, address: str) -> None:
    """Make htmx show another address of the current page in the browser."""
    response.headers["HX-Replace-Url"] = address


def go_to(address: str) -> BaseResponse:
    """Return a response that leads the browser to another page, also when htmx sent the request."""
    if not is_htmx():
        return redirect(address, 303)
    # Without Location, which htmx would follow to put that page into this one.
    return Response(status=401, headers={"HX-Redirect": address})


def init_app(app: Flask) -> None:
    """Pass the layouts to templates, redirect forms, and add `Vary` so that caches do not mix pages with fragments."""

    @app.context_processor
    def frames() -> dict[str, object]:
        return vars(Frame.of_request())

    @app.after_request
    def adapt(response: Response) -> Response:
        if is_htmx() and request.method == "POST" and "Location" in response.headers:
            # Make htmx load the page, with its header and URL, instead of swapping it in.
            address = response.headers.pop("Location")
            # Only a refresh loads the same page again: a new fragment does not.
            if address.partition("#")[0] == current_page():
                response.headers["HX-Refresh"] = "true"
            else:
                response.headers["HX-Redirect"] = address
            response.status_code = 200
            response.set_data(b"")
        if response.mimetype == "text/html":
            response.vary.update(("HX-Request", "HX-Target"))
        return response

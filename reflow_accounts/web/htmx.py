"""All that the server knows of htmx: how a page is asked for, what else an answer swaps or triggers."""

import json
from dataclasses import dataclass

from flask import Flask, Response, request

# A page that opens as a dialog: whole, as a new dialog, or as what changes inside an open one.
_SHEETS = {"modal": "layouts/dialog.html", "dialog-panel": "layouts/dialog_panel.html"}


def is_htmx() -> bool:
    """Say whether htmx asks and will swap the answer into a page that is already there."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and headers.get("HX-History-Restore-Request") != "true"


def target() -> str:
    """Return the id of the element that the answer is meant for ("" without htmx)."""
    # htmx 4 sends `div#modal`.
    return request.headers.get("HX-Target", "").rpartition("#")[2] if is_htmx() else ""


def is_dialog() -> bool:
    """Say whether the answer goes into a dialog."""
    return target() in _SHEETS


@dataclass(frozen=True)
class Frame:
    """The layouts for this request: `frame` for pages, `sheet` for pages that open as a dialog."""

    frame: str
    sheet: str
    is_dialog: bool

    @classmethod
    def of_request(cls) -> "Frame":
        frame = "layouts/fragment.html" if is_htmx() else "layouts/page.html"
        return cls(frame, _SHEETS.get(target(), "layouts/sheet.html"), is_dialog())


def close_dialog(response: Response, message: str) -> Response:
    """Have the page close its dialog, move the focus to the section's heading and announce `message`."""
    response.headers["HX-Trigger"] = json.dumps({"close-dialog": {"message": message}})
    return response


def in_new_dialog(response: Response) -> Response:
    """Have htmx show the answer as a dialog, whatever part of the page the request was meant for."""
    response.headers["HX-Retarget"] = "#modal"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def go_to(address: str) -> Response:
    """Have htmx load another page: its way to say "redirect" that the person sees."""
    return Response(status=401, headers={"HX-Redirect": address})


def init_app(app: Flask) -> None:
    """Give templates their frame, and keep caches from mixing whole pages with fragments."""

    @app.context_processor
    def frames() -> dict[str, object]:
        return vars(Frame.of_request())

    @app.after_request
    def vary(response: Response) -> Response:
        if response.mimetype == "text/html":
            response.vary.update(("HX-Request", "HX-Target"))
        return response

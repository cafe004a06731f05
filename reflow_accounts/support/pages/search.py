"""Search teams and people, and look up a key that somebody handed over."""

from flask import render_template, request

from reflow_accounts.extensions import db
from reflow_accounts.identity.caller import me
from reflow_accounts.support import people, service
from reflow_accounts.support.forms import KeyForm
from reflow_accounts.support.pages.blueprints import Answer, pages
from reflow_accounts.web.client import client


@pages.get("")
def index() -> Answer:
    """Search teams and people."""
    words = request.args.get("q", "").strip()
    is_key = service.holds_key(words)
    # A key that came by the address is not repeated anywhere.
    page = _page("" if is_key else words, has_key_in_address=is_key)
    service.write_down_search(words, by=me(), address=client().address)
    db.session.commit()
    return page


@pages.post("/keys")
def look_up_key() -> Answer:
    """Say whose key this is. It comes in a form, so that it stands in no address and no log."""
    form = KeyForm()
    found = people.look_up(form.api_key.data or "", by=me(), client=client())
    page = _page("", was_looked_up=True, key=found, is_expired=found is not None and found.has_expired)
    db.session.commit()
    return page


def _page(words: str, **more: object) -> str:
    return render_template(
        "support/index.html",
        q=words,
        teams=[] if "was_looked_up" in more else service.find_teams(words, by=me()),
        people=people.find_people(words),
        **more,
    )

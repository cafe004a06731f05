"""Accessibility and markup rules for every page and part."""

import re
from collections import Counter
from collections.abc import Iterator

from tests.helpers.html import Element, read

_IDREFS = (
    "aria-controls",
    "aria-describedby",
    "aria-labelledby",
    "aria-owns",
    "popovertarget",
    "list",
    "form",
)
_NAMELESS_INPUTS = ("hidden", "submit", "reset", "button", "image")
_SECRET = re.compile(r"rf[ks]_[0-9A-Za-z]{49}")


def mistakes_in(html: str, *, is_fragment: bool = False) -> list[str]:
    """Return one line for each broken rule.

    A fragment is HTML that htmx swaps into a page: the rules of whole pages and of references to ids do not
    apply to it.
    """
    document, mistakes = read(html)
    found = [
        *mistakes,
        *_ids(document, is_fragment),
        *_names(document),
        *_inline(document),
        *_forms(document),
    ]
    if not is_fragment:
        found += [*_page(document), *_headings(document)]
    return found


def _page(document: Element) -> Iterator[str]:
    if not document.all("html") or not document.all("html")[0]["lang"]:
        yield "<html> says no language"
    titles = [title for title in document.all("title") if not _is_in(title, "svg")]
    if len(titles) != 1 or not titles[0].text.endswith("· Reflow") or titles[0].text.startswith("·"):
        yield f"the page needs one title that ends in · Reflow: {[title.text for title in titles]}"
    headings = document.all("h1")
    if len(headings) != 1 or not headings[0].text:
        yield f"the page needs one h1: {[heading.text for heading in headings]}"
    if len(document.all("main")) != 1:
        yield "the page needs one <main>"


def _headings(document: Element) -> Iterator[str]:
    level = 0
    for heading in document.all("h1", "h2", "h3", "h4", "h5", "h6"):
        # A dialog has its own outline, and a template is not shown.
        if _is_in(heading, "dialog") or _is_in(heading, "template"):
            continue
        here = int(heading.tag[1])
        if here > level + 1:
            yield f"{heading} “{heading.text}” follows level {level}"
        level = here


def _ids(document: Element, is_fragment: bool) -> Iterator[str]:
    shown = [element for element in document.elements if not _is_in(element, "template")]
    ids = Counter(element["id"] for element in shown if "id" in element)
    for name, count in ids.items():
        if count > 1 or not name or any(character.isspace() for character in name):
            yield f'id="{name}" is used {count} times'
    for element in shown:
        for attribute, value in element.attributes.items() if not is_fragment else ():
            for wanted in value.split() if attribute in _IDREFS else ():
                if wanted not in ids:
                    yield f"{element}: nothing has the id {wanted}"
        if element.tag == "label" and "for" in element and element["for"] not in ids:
            yield f"{element}: nothing has the id {element['for']}"


def _names(document: Element) -> Iterator[str]:
    labels = {label["for"]: label.text for label in document.all("label")}
    for element in document.elements:
        if element.is_hidden:
            continue
        if element.tag in ("img", "svg") and not _is_named(element, document):
            yield f"{element} has neither a name nor aria-hidden"
        if element.tag == "img" and "alt" not in element:
            yield f"{element} has no alt"
        if element.tag in ("button", "a", "summary", "dialog") and not _is_named(element, document):
            yield f"{element} has no name"
        if element.tag in ("input", "select", "textarea") and element["type"] not in _NAMELESS_INPUTS:
            in_label = any(above.tag == "label" and above.text for above in element.ancestors)
            if not (labels.get(element["id"]) or in_label or _is_named(element, document)):
                yield f"{element} has no label"
        if element.tag == "nav" and not _is_named(element, document):
            yield f"{element} has no name"


def _is_named(element: Element, document: Element) -> bool:
    named_by = [document.with_id(name) for name in element["aria-labelledby"].split()]
    if any(found.text if found else True for found in named_by):
        return True
    if element["aria-label"] or element["alt"]:
        return True
    if element.tag == "svg":
        return any(title.text for title in element.all("title"))
    return element.tag in ("button", "a", "summary") and bool(element.text)


def _inline(document: Element) -> Iterator[str]:
    for element in document.elements:
        for name, value in element.attributes.items():
            if name == "style" or name.startswith(("on", "hx-on")):
                yield f"{element}: {name} is inline"
            if name in ("href", "src", "action") and value.strip().lower().startswith("javascript:"):
                yield f"{element}: a script in an address"
        if element.tag == "style" or (element.tag == "script" and "src" not in element):
            yield f"{element} is inline"
        if element["target"] == "_blank" and "noopener" not in element["rel"]:
            yield f"{element} hands out the opener"


def _forms(document: Element) -> Iterator[str]:
    for form in document.all("form"):
        if form["method"].lower() not in ("post", "get"):
            yield f"{form} says no method"
        tokens = [item for item in form.all("input") if item["name"] == "csrf_token" and item["value"]]
        if form["method"].lower() == "post" and not tokens:
            yield f"{form} carries no csrf_token"
        if form["method"].lower() == "get" and any(
            item["name"] == "csrf_token" for item in form.all("input")
        ):
            yield f"{form} puts the csrf_token into an address"
        if _SECRET.search(form["action"]):
            yield "an API key in an address"
    for link in document.all("a"):
        if _SECRET.search(link["href"]) and not link["href"].startswith("data:"):
            yield "an API key in an address"


def _is_in(element: Element, tag: str) -> bool:
    return tag in element.ancestor_tags

"""Class names of the stylesheet: each names one component, and is used in a template, a filter or a script."""

import re
from collections import defaultdict
from pathlib import Path

from reflow_accounts import paths
from reflow_accounts.web import filters

SOURCE = re.sub(r"/\*.*?\*/", "", (paths.STATIC / "css/reflow.css").read_text("utf-8"), flags=re.DOTALL)
# Parts that other components arrange or size: the component says how it looks, its surroundings where it is.
PARTS = {
    "act", "actions", "acts", "badge", "btn", "card", "check", "cmd", "dlg-body", "empty", "exact", "facts",
    "field", "form-card", "help", "hint",
    "icon-btn", "input", "keys", "note", "section-head", "spark", "stack", "wrap",
}  # fmt: skip


def rules(source):
    """Yield the selectors of every style rule."""
    for prelude in re.findall(r"(?:^|[{};])\s*([^{};@]+)\{", source):
        yield from (selector.strip() for selector in re.split(r",(?![^(]*\))", prelude))


def double_meanings(source):
    """Return classes that are a component of their own and also something else inside another component."""
    own, inside = set(), defaultdict(set)
    for selector in rules(source):
        plain = re.sub(r":{1,2}[\w-]+(\([^)]*\))?", "", selector)
        parts = [re.findall(r"\.([\w-]+)", part) for part in re.split(r"[\s>+~]+", plain)]
        for name in parts[-1]:
            if len(parts) == 1 and parts[-1] == [name]:
                own.add(name)
            inside[name] |= {outer for part in parts[:-1] for outer in part} - {name}
    return {name: around for name, around in inside.items() if name in own and around and name not in PARTS}


def test_class_names_have_one_meaning():
    assert double_meanings(SOURCE) == {}


def test_double_meaning_is_found():
    source = ".pair { display: grid } .keys .pair { white-space: nowrap } .note .dismiss { width: 2rem }"
    assert double_meanings(source) == {"pair": {"keys"}}


def test_every_class_is_used():
    templates, scripts = paths.TEMPLATES.rglob("*.html"), (paths.STATIC / "js").glob("*.js")
    files = [*templates, *scripts, Path(filters.__file__)]
    text = " ".join(file.read_text("utf-8") for file in files)
    names = {name for selector in rules(SOURCE) for name in re.findall(r"\.([a-z][\w-]*)", selector)}
    unused = {name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)}
    # The template writes the ending: note-{{ tone }}, badge-{{ "ok" if … }}.
    assert {name for name in unused if not name.startswith(("note-", "badge-"))} == set()

"""Parts, acts and inline code in templates (house: HTMX)."""

import re
from pathlib import Path

import pytest

from reflow_accounts import paths
from tests.helpers.html import Element, read

TEMPLATES = sorted(paths.TEMPLATES.rglob("*.html"))
PARTS = [file for file in TEMPLATES if file.name.startswith("_")]
# What a template may say once it is drawn, in place of what it computes.
_TAG = re.compile(r"\{#.*?#\}|\{%.*?%\}", re.DOTALL)
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
TARGETS = {"#modal", "#main", "#dialog-panel"}


def name(file: Path) -> str:
    return str(file.relative_to(paths.TEMPLATES))


def skeleton(file: Path) -> Element:
    """Return the elements of a template; what is computed stands as its own source."""
    source = file.read_text("utf-8")
    # A quote inside an expression would end the attribute around it.
    source = _EXPRESSION.sub(
        lambda found: found.group().replace('"', "'").replace("<", "").replace(">", ""), source
    )
    return read(_TAG.sub("", source))[0]


def every(attribute: str) -> list[tuple[str, Element]]:
    return [
        (name(file), element)
        for file in TEMPLATES
        for element in skeleton(file).elements
        if attribute in element
    ]


@pytest.mark.parametrize("file", PARTS, ids=name)
def test_a_part_has_one_root_and_its_id_is_its_path(file):
    roots = [child for child in skeleton(file).children if isinstance(child, Element) or child.strip()]
    assert len(roots) == 1, [str(root) for root in roots]
    assert roots[0]["id"] == f"{file.parent.name}-{file.stem[1:]}".replace("_", "-")


@pytest.mark.parametrize("file", PARTS, ids=name)
def test_a_part_is_included_somewhere(file):
    assert any(f'include "{name(file)}"' in other.read_text("utf-8") for other in TEMPLATES)


def test_an_htmx_request_goes_where_the_form_around_it_goes_without_script():
    acts = every("hx-post") + every("hx-get")
    assert len(acts) >= 4
    for where, element in acts:
        wanted = element["hx-post"] or element["hx-get"]
        assert (element["action"] or element["href"]) == wanted, f"{where}: {element}"
        if "hx-post" in element:
            assert (element.tag, element["method"]) == ("form", "post"), f"{where}: {element}"


def test_an_htmx_request_changes_a_known_place_and_drops_a_second_click():
    own = {
        f"#{skeleton(part).children[0]['id']}"
        for part in PARTS
        if isinstance(skeleton(part).children[0], Element)
    }
    own |= {f"#{part.parent.name}-{part.stem[1:]}".replace("_", "-") for part in PARTS}
    for where, element in every("hx-post") + every("hx-get"):
        assert element["hx-target"] in TARGETS | own, f"{where}: {element}"
        assert element["hx-sync"] == "this:drop", f"{where}: {element}"


def test_nothing_is_inline():
    for file in TEMPLATES:
        # Mail programs drop every other kind of style; nothing in a mail runs.
        is_mail = file.parent.name == "mail"
        for element in skeleton(file).elements:
            for attribute in element.attributes:
                assert attribute != "style" or is_mail, f"{name(file)}: {element}"
                assert not attribute.startswith(("on", "hx-on")), f"{name(file)}: {element}"
            assert element.tag != "style", name(file)
            assert element.tag != "script" or "src" in element, name(file)


def test_every_post_carries_the_token():
    for where, form in every("method"):
        if form["method"] == "post":
            source = (paths.TEMPLATES / where).read_text("utf-8")
            assert "token()" in source, f"{where}: {form}"


def test_templates_ask_nothing_of_the_database_and_trust_no_text():
    for file in TEMPLATES:
        # The drawings of icons are markup of our own.
        source = file.read_text("utf-8").replace("{{ paths[name] | safe }}", "")
        for word in ("|safe", "| safe", "autoescape false", "query", ".session", "db."):
            assert word not in source, f"{name(file)}: {word}"


@pytest.mark.parametrize("file", TEMPLATES, ids=name)
def test_a_template_stays_short(file):
    assert len(file.read_text("utf-8").splitlines()) <= 80

"""Parts, acts and inline code in templates (house: HTMX)."""

import re
from pathlib import Path

import pytest

from reflow_accounts import paths
from tests.helpers.html import Element, read

TEMPLATES = sorted(paths.TEMPLATES.rglob("*.html"))
PARTS = [file for file in TEMPLATES if file.name.startswith("_")]
# Jinja tags, removed before parsing.
_TAG = re.compile(r"\{#.*?#\}|\{%.*?%\}", re.DOTALL)
_EXPRESSION = re.compile(r"\{\{.*?\}\}", re.DOTALL)
TARGETS = {"#modal", "#main", "#dialog-panel"}


def name(file: Path) -> str:
    return str(file.relative_to(paths.TEMPLATES))


def skeleton(file: Path) -> Element:
    """Return the elements of a template, with expressions as source text."""
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
def test_part_has_one_root_and_its_id_is_its_path(file):
    roots = [child for child in skeleton(file).children if isinstance(child, Element) or child.strip()]
    assert len(roots) == 1, [str(root) for root in roots]
    assert roots[0]["id"] == f"{file.parent.name}-{file.stem[1:]}".replace("_", "-")


@pytest.mark.parametrize("file", PARTS, ids=name)
def test_part_is_included_somewhere(file):
    assert any(f'include "{name(file)}"' in other.read_text("utf-8") for other in TEMPLATES)


def test_htmx_requests_have_the_address_of_their_form():
    acts = every("hx-post") + every("hx-get")
    assert len(acts) >= 4
    for where, element in acts:
        wanted = element["hx-post"] or element["hx-get"]
        assert (element["action"] or element["href"]) == wanted, f"{where}: {element}"
        if "hx-post" in element:
            assert (element.tag, element["method"]) == ("form", "post"), f"{where}: {element}"


def test_htmx_requests_have_known_targets_and_drop_double_clicks():
    own = {
        f"#{skeleton(part).children[0]['id']}"
        for part in PARTS
        if isinstance(skeleton(part).children[0], Element)
    }
    own |= {f"#{part.parent.name}-{part.stem[1:]}".replace("_", "-") for part in PARTS}
    for where, element in every("hx-post") + every("hx-get"):
        assert element["hx-target"] in TARGETS | own, f"{where}: {element}"
        # A search sends what was typed last.
        expected = "this:replace" if element["role"] == "search" else "this:drop"
        assert element["hx-sync"] == expected, f"{where}: {element}"


def test_templates_have_no_inline_code():
    for file in TEMPLATES:
        # Mail programs drop every other kind of style; nothing in a mail runs.
        is_mail = file.parent.name == "mail"
        for element in skeleton(file).elements:
            for attribute in element.attributes:
                assert attribute != "style" or is_mail, f"{name(file)}: {element}"
                assert not attribute.startswith(("on", "hx-on")), f"{name(file)}: {element}"
            assert element.tag != "style", name(file)
            assert element.tag != "script" or "src" in element, name(file)


def test_post_forms_carry_the_csrf_token():
    for where, form in every("method"):
        if form["method"] == "post":
            source = (paths.TEMPLATES / where).read_text("utf-8")
            assert "token()" in source, f"{where}: {form}"


def test_templates_do_not_query_and_do_not_disable_escaping():
    for file in TEMPLATES:
        # The drawings of icons are markup of our own.
        source = file.read_text("utf-8").replace("{{ paths[name] | safe }}", "")
        for word in ("|safe", "| safe", "autoescape false", "query", ".session", "db."):
            assert word not in source, f"{name(file)}: {word}"


@pytest.mark.parametrize("file", TEMPLATES, ids=name)
def test_template_stays_short(file):
    assert len(file.read_text("utf-8").splitlines()) <= 80

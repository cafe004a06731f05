"""HTML as a tree of elements, parsed with the standard library."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from html.parser import HTMLParser

_INLINE = frozenset({"a", "b", "bdi", "code", "em", "strong", "time"})
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)


@dataclass(eq=False)
class Element:
    """An element: its attributes ("" for one without a value), and its child elements and texts in order."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)
    parent: Element | None = None
    ancestor_tags: frozenset[str] = frozenset()
    # Whether it is in a hidden part or in a template.
    is_hidden: bool = False

    def __post_init__(self) -> None:
        self.is_hidden = self["aria-hidden"] == "true" or self.tag == "template"
        if self.parent:
            tags = self.parent.ancestor_tags
            self.ancestor_tags = tags if self.parent.tag in tags else tags | {self.parent.tag}
            self.is_hidden = self.is_hidden or self.parent.is_hidden

    def __getitem__(self, attribute: str) -> str:
        return self.attributes.get(attribute, "")

    def __contains__(self, attribute: str) -> bool:
        return attribute in self.attributes

    @cached_property
    def elements(self) -> list[Element]:
        """Every element below this one, in the order of the document."""
        below: list[Element] = []
        for child in self.children:
            if isinstance(child, Element):
                below += [child, *child.elements]
        return below

    @cached_property
    def _by_id(self) -> dict[str, Element]:
        return {element["id"]: element for element in reversed(self.elements)}

    @property
    def ancestors(self) -> Iterator[Element]:
        above = self.parent
        while above is not None:
            yield above
            above = above.parent

    @property
    def text(self) -> str:
        """The visible text with accessible names, with white space collapsed, without hidden parts and scripts."""
        return " ".join("".join(self._words()).split())

    def _words(self) -> Iterator[str]:
        for child in self.children:
            if isinstance(child, str):
                yield child
            elif child["aria-hidden"] != "true" and child.tag not in ("script", "style", "template"):
                label = child["alt"] if child.tag == "img" else child["aria-label"]
                is_named = label and child.tag in ("img", "svg", "button", "a")
                space = "" if child.tag in _INLINE else " "
                yield space + (label if is_named else "".join(child._words())) + space

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.elements if element.tag in tags]

    def with_id(self, wanted: str) -> Element | None:
        return self._by_id.get(wanted)

    def __str__(self) -> str:
        written = "".join(f' {name}="{value}"' for name, value in self.attributes.items())
        return f"<{self.tag}{written}>"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.here = Element("#document")
        self.mistakes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) != len(names):
            self.mistakes.append(f"<{tag}> repeats an attribute: {names}")
        element = Element(tag, {name: value or "" for name, value in attrs}, parent=self.here)
        self.here.children.append(element)
        if tag not in _VOID:
            self.here = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if self.here.tag != tag:
            self.mistakes.append(f"</{tag}> closes {self.here}")
            if all(above.tag != tag for above in self.here.ancestors):
                return
        while self.here.tag != tag and self.here.parent:
            self.here = self.here.parent
        self.here = self.here.parent or self.here

    def handle_data(self, data: str) -> None:
        self.here.children.append(data)


# A page is checked and then read again by its test.
@lru_cache(maxsize=4)
def read(html: str) -> tuple[Element, list[str]]:
    """Return the document and the mistakes in its tags: repeated attributes, elements that are not closed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    if reader.here is not reader.root:
        reader.mistakes.append(f"{reader.here} is not closed")
    return reader.root, reader.mistakes


def parse(html: str) -> Element:
    """Return the document."""
    return read(html)[0]

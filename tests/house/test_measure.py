"""The checks of `tests.house.measure` find what they look for."""

import ast

import pytest

from tests.house import measure
from tests.house.import_cycles import Graph, find_cycles, imports_of


def test_cycle_is_found():
    graph: Graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}

    assert [names[0] for names in find_cycles(graph)] == ["b", "c"]


def test_import_inside_function_is_marked():
    tree = ast.parse("import a\nif TYPE_CHECKING:\n    from b import c\ndef f():\n    import d\n")

    assert list(imports_of(tree)) == [("a", False), ("b.c", False), ("d", True)]


def test_length_of_function_includes_its_docstring():
    [function] = measure.functions_of(ast.parse('def f():\n    """Text."""\n    pass\n'))

    assert measure.length_of(function) == 3


def test_private_function_used_once_is_counted():
    tree = ast.parse("def _once(): ...\ndef _twice(): ...\ndef f():\n    _once(), _twice(), _twice()\n")

    assert measure.private_functions_used_once(tree) == ["_once"]


def test_name_that_two_classes_share_is_found():
    trees = {name: ast.parse("class Form: ...\nclass A{}: ...".replace("{}", name)) for name in ("x", "y")}

    assert measure.shared_class_names(trees) == ["Form: x, y"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("# Whoever opens the doors", ["Whoever", "doors"]),
        ("class SpanList:", ["Span"]),
        ("LARGEST_SPANS = span_of(x)", ["SPANS", "span"]),
        ("a wireless airplane in the doorway is bound and binding", []),
        ('<span class="x">…</span>', []),
        (".note span { color: red }", []),
        ("socket.bind(address); handler.bind(this); found.span()", []),
        ("def process_bind_param(self): bindparam('at')", []),
    ],
)
def test_retired_word_is_found(line, words):
    assert measure.retired_words(line) == words


def test_vocabulary_fault_names_file_and_line(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("Fine.\nA room.\n")
    (tmp_path / "CHANGELOG.md").write_text("A room.\n")

    assert list(measure.vocabulary_faults(tmp_path)) == ["docs/a.md:2: room"]


@pytest.mark.parametrize(("limit", "code"), [(3, 0), (2, 1)])
def test_exit_code_says_whether_a_limit_is_passed(monkeypatch, capsys, limit, code):
    monkeypatch.setattr(measure, "LIMITS", {"figure": limit})
    monkeypatch.setattr(measure, "measure", lambda _root: [("figure", 3, ["here"])])

    assert measure.main() == code
    assert ("here" in capsys.readouterr().out) == bool(code)

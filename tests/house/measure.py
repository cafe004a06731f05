"""Check sizes, import cycles and vocabulary of the code: `python -m tests.house.measure`, part of `make check`."""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.house.import_cycles import find_cycles, import_graph

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "reflow_accounts"
# Lower a limit when the code has improved. The targets are 0 cycles, 300, 40, 20, 10 percent and 0.
LIMITS = {
    "import cycles": 0,
    "lines of a file": 300,
    "lines of a function": 45,
    "modules under 40 lines": 15,
    "private functions used once, in percent": 13,
    "names that two classes share": 0,
    "retired words": 1,
}
SMALL_MODULE = 40
RETIRED = ("chore", "door", "room", "lane", "wire", "span", "tally", "whoever", "bind")
# Markup, CSS and APIs of SQLAlchemy, sockets, psycopg, werkzeug and JavaScript that use these words.
ALLOWED = re.compile(
    r"</?span\b|\bspan(?=\s*[{.:>\[])|(?:col|row)span|\.bind\(|\.span\(|process_bind_\w+|get_bind\(|bindparams?\b|--bind\b"
)
WORD = re.compile(rf"(?<![A-Za-z])(?i:(?:{'|'.join(RETIRED)})s?)(?![a-z])")
TEXT_FOLDERS = {"reflow_accounts", "tests", "bench", "templates", "static/js", "static/css", "docs"}
TEXT_SUFFIXES = {".py", ".html", ".txt", ".js", ".css", ".md"}
# The changelog describes old releases; this check and its tests name the words.
NOT_CHECKED = {"CHANGELOG.md", "tests/house/measure.py", "tests/house/test_measure.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(tree: ast.Module) -> list[Function]:
    """Return every function and method of a module."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def length_of(function: Function) -> int:
    """Return the number of lines of a function, docstring included."""
    return (function.end_lineno or 0) - function.lineno + 1


def private_functions_used_once(tree: ast.Module) -> list[str]:
    """Return the names of private functions that their own module references exactly once."""
    names: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            names[node.id] += 1
        elif isinstance(node, ast.Attribute):
            names[node.attr] += 1
    private = [node.name for node in functions_of(tree) if re.match(r"_(?!_)", node.name)]
    return [name for name in private if names[name] == 1]


def shared_class_names(trees: dict[str, ast.Module]) -> list[str]:
    """Return the names that classes of several modules have, with these modules."""
    modules: dict[str, list[str]] = defaultdict(list)
    for module, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(module)
    return [f"{name}: {', '.join(found)}" for name, found in modules.items() if len(found) > 1]


def retired_words(text: str) -> list[str]:
    """Return the retired words in a text; a part of a snake_case name counts as a word."""
    return WORD.findall(ALLOWED.sub("", text))


def vocabulary_faults(root: Path) -> Iterator[str]:
    """Yield `file:line: words` for every line with a retired word."""
    files = [*root.glob("*.md"), *(file for name in TEXT_FOLDERS for file in (root / name).rglob("*"))]
    for file in sorted(file for file in files if file.suffix in TEXT_SUFFIXES):
        name = file.relative_to(root).as_posix()
        if name in NOT_CHECKED:
            continue
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
            if words := retired_words(line):
                yield f"{name}:{number}: {', '.join(words)}"


def measure(root: Path) -> Iterator[tuple[str, int, list[str]]]:
    """Yield a limit's name, the measured figure and the places, for each limit; print totals on the way."""
    files = sorted((root / PACKAGE).rglob("*.py"))
    sources = {file.relative_to(root).as_posix(): file.read_text("utf-8") for file in files}
    trees = {name: ast.parse(text) for name, text in sources.items()}
    lines = {name: text.count("\n") for name, text in sources.items()}
    print(f"{len(lines)} files, {sum(lines.values())} lines")
    cycles = [" ↔ ".join(names) for names in find_cycles(import_graph(PACKAGE, with_functions=True))]
    yield "import cycles", len(cycles), cycles
    limit = LIMITS["lines of a file"]
    yield "lines of a file", max(lines.values()), [name for name, count in lines.items() if count > limit]
    lengths = [
        (length_of(node), f"{name}: {node.name}") for name in lines for node in functions_of(trees[name])
    ]
    long = [place for length, place in lengths if length > LIMITS["lines of a function"]]
    yield "lines of a function", max(lengths)[0], long
    small = [n for n, count in lines.items() if count < SMALL_MODULE and not n.endswith("__init__.py")]
    yield "modules under 40 lines", len(small), small
    once = [f"{name}: {used}" for name, tree in trees.items() for used in private_functions_used_once(tree)]
    yield "private functions used once, in percent", round(100 * len(once) / len(lengths)), once
    shared = shared_class_names(trees)
    yield "names that two classes share", len(shared), shared
    words = list(vocabulary_faults(root))
    yield "retired words", len(words), words


def main() -> int:
    """Print each figure, list the places beyond a limit, and return the exit code."""
    failed = False
    for name, figure, places in measure(ROOT):
        is_over = figure > LIMITS[name]
        failed = failed or is_over
        print(f"{'FAIL' if is_over else 'ok':4} {name}: {figure} (at most {LIMITS[name]})")
        if is_over:
            print(*(f"     {place}" for place in places), sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

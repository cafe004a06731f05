"""Find import cycles between the modules of a package, imports inside functions included."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
Graph = dict[str, set[str]]


def _modules(package: str) -> dict[str, ast.Module]:
    """Return the syntax tree of each module of `package` by its dotted name."""
    modules = {}
    for file in sorted((ROOT / package.replace(".", "/")).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = ast.parse(file.read_text("utf-8"))
    return modules


def imports_of(node: ast.AST, *, in_function: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield each imported name, and whether the import is inside a function.

    Imports under `if TYPE_CHECKING:` count as module-level ones: they are dependencies too.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, in_function) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            yield from ((f"{child.module}.{alias.name}", in_function) for alias in child.names)
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports_of(child, in_function=in_function or is_function)


def import_graph(package: str, *, with_functions: bool) -> Graph:
    modules = _modules(package)
    graph: Graph = {name: set() for name in modules}
    for name, tree in modules.items():
        for imported, in_function in imports_of(tree):
            target = imported if imported in modules else imported.rpartition(".")[0]
            if target in modules and target != name and (with_functions or not in_function):
                graph[name].add(target)
    return graph


def find_cycles(graph: Graph) -> list[list[str]]:
    """Return the modules that remain when those without imports are removed again and again."""
    left = {name: set(targets) for name, targets in graph.items()}
    for direction in (left, _reversed(left)):
        while leaves := [name for name, targets in direction.items() if not targets & left.keys()]:
            for name in leaves:
                del direction[name]
                left.pop(name, None)
    return [[name, *sorted(targets & left.keys())] for name, targets in sorted(left.items())]


def _reversed(graph: Graph) -> Graph:
    return {name: {other for other, targets in graph.items() if name in targets} for name in graph}

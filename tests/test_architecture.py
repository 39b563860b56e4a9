"""The source keeps to docs/design.md: one word per idea, no import circles, nothing private is used, no scraps of modules."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "penult"
COMMANDS = SOURCE / "cli"
LEAST = 40  # lines of a module; what is shorter is a part of another
SCREEN = 60  # lines of a function


@cache
def modules() -> dict[str, ast.Module]:
    """Return every module of the package by its dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def exported(tree: ast.Module) -> set[str]:
    """Return the names in `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return {part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)}
    return set()


def test_a_public_class_is_defined_once() -> None:
    where: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules().items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where[node.name].append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def test_a_function_that_a_package_exports_is_defined_once() -> None:
    """`add` and `run` of the commands apart, which are no package's."""
    packages = (tree for name, tree in modules().items() if "." in name and (SOURCE.parent / name.replace(".", "/")).is_dir())
    public = set().union(*map(exported, packages))
    where: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules().items():
        if name.startswith("penult.cli"):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name in public:
                where[node.name].append(name)
    assert {name: places for name, places in where.items() if len(places) > 1} == {}


def imported(name: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Return (module, name) for what a module imports of penult when it is loaded: not in functions, not for types alone."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "penult":
            for alias in node.names:
                yield str(node.module), alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "penult":
                    yield alias.name, ""


def test_no_module_imports_itself_in_a_circle() -> None:
    known = modules()
    needs = {
        name: {
            f"{module}.{part}" if f"{module}.{part}" in known else module for module, part in imported(name, tree)
        } - {name}
        for name, tree in known.items()
    }  # fmt: skip
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in needs[name]:
                # a package is loaded before its modules, which may use each other, but not the package's own names
                if not (name.startswith(f"{other}.") and not uses_package(name, other)):
                    visit(other, (*path, name))
            done.add(name)

    def uses_package(name: str, package: str) -> bool:
        return any(m == package and f"{package}.{part}" not in known for m, part in imported(name, known[name]))

    for name in known:
        visit(name, ())


def test_nobody_uses_the_private_names_of_another_module() -> None:
    reached = []
    for name, tree in modules().items():
        aliases = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("penult"):
                reached += [f"{name}: {node.module}.{a.name}" for a in node.names if re.match(r"_[a-z]", a.name)]
                aliases |= {a.asname or a.name: f"{node.module}.{a.name}" for a in node.names}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and aliases.get(node.value.id) in modules()
                and re.match(r"_[a-z]", node.attr)
            ):
                reached.append(f"{name}: {node.value.id}.{node.attr}")
    assert reached == []


def test_sqlite_is_used_in_the_store_alone() -> None:
    users = {
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Import) and any(alias.name == "sqlite3" for alias in node.names)
    }
    assert users == {"penult.store.label_file", "penult.store.labels"}


def test_every_package_stands_in_the_tree_of_the_design() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\n(    cli/.*?)```", page, re.DOTALL)
    assert tree is not None
    told = set(re.findall(r"[a-z0-9_]+", tree[1]))
    there = {path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert there - {"__init__", "__main__"} <= told


def test_the_glossary_explains_the_few_words_of_our_own() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    glossary = page.partition("## Glossary")[2]
    for word in ("backbone", "recipe", "head", "run", "bundle", "block", "near-duplicate", "novelty"):
        assert f"**{word}**" in glossary, word


def length(function: ast.FunctionDef) -> int:
    """Return the lines of a function, without its docstring."""
    first = function.body[0]
    words = int(first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(function) else 0
    return int(function.end_lineno or 0) - function.lineno + 1 - words


def test_a_module_is_no_scrap_and_a_function_fits_a_screen() -> None:
    short = {
        str(path.relative_to(SOURCE)): lines
        for path in SOURCE.rglob("*.py")
        if not path.name.startswith("__")
        and path.parent != COMMANDS  # one file a command
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) < LEAST
    }
    assert short == {}
    long = {
        f"{name}.{node.name}": lines
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and (lines := length(node)) > SCREEN
    }
    assert long == {}

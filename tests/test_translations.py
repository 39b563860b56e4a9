"""Every text that a person reads is marked, and every marked text has its whole translation."""

from __future__ import annotations

import ast
import importlib.util
import re
import string
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import penult

SOURCE = Path(penult.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
PRINTING = {"out", "note", "announce", "usage_error", "print"}  # functions of `cli` whose first argument is shown
NO_PROSE = re.compile(r"[a-z]{3,}.*\s.*[a-z]{2,}")  # what is matched has words that would have to be translated
# For developers, other programs or the log, not for users: file, and how the text begins.
ENGLISH = {
    ("bundle/model.py", "the head of kind"): "of a head that no file of ours has",
}
HAN = "\u4e00-\u9fff"


@cache
def messages() -> Any:
    """Return packaging/messages.py as a module."""
    pytest.importorskip("babel", reason="needs babel, of the extra `dev`")
    spec = importlib.util.spec_from_file_location("penult_messages", ROOT / "packaging" / "messages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def pairs() -> list[tuple[str, str]]:
    """Return every text of the source, the plural where there is one, with its Chinese."""
    (path,) = messages().catalogues()
    found = [one for one in messages().read(path) if one.id]
    return [
        (one.id[1], "".join(one.string)) if isinstance(one.id, list | tuple) else (one.id, str(one.string)) for one in found
    ]


@cache
def modules() -> list[tuple[str, list[ast.AST]]]:
    """Return the nodes of every module."""
    return [
        (path.relative_to(SOURCE).as_posix(), list(ast.walk(ast.parse(path.read_text(encoding="utf-8")))))
        for path in sorted(SOURCE.rglob("*.py"))
    ]


def calls(nodes: Iterable[ast.AST], *names: str) -> list[ast.Call]:
    return [node for node in nodes if isinstance(node, ast.Call) and getattr(node.func, "id", "") in names]


def test_the_catalogue_is_what_the_source_gives() -> None:
    """`make messages` brings it up to date; no text lacks its translation, none is fuzzy or of no use."""
    (path,) = messages().catalogues()
    texts = [text for _place, text in messages().source_texts([SOURCE])]
    content = path.read_bytes()
    assert content == messages().written(messages().updated(messages().read(path), texts, []))
    assert b"#, fuzzy" not in content
    assert b"#~" not in content
    assert [text for text, chinese in pairs() if not chinese] == []


def test_translations_have_the_placeholders_of_their_texts() -> None:
    def fields(text: str) -> Counter[Any]:
        try:
            return Counter((name, spec, how) for _, name, spec, how in string.Formatter().parse(text) if name is not None)
        except ValueError:  # braces that are no placeholders
            return Counter(re.findall(r"[{}]", text))

    def percents(text: str) -> Counter[str]:
        return Counter(re.findall(r"%(?:\(\w+\))?[srd%]", text))

    wrong = [
        (text, chinese)
        for text, chinese in pairs()
        if set(fields(text)) != set(fields(chinese)) or percents(text) != percents(chinese)
    ]
    assert wrong == []


def test_chinese_has_full_width_punctuation_and_room_around_latin_words() -> None:
    """Half-width signs stand in Latin text, numbers and code alone; code is left out, for it has its own signs."""
    wrong = []
    for _text, chinese in pairs():
        said = re.sub(r"`[^`]*`|'[^']*'|\bhttps?:\S+", "x", chinese)
        half = re.search(rf"[{HAN}][,;:!?]|[{HAN}]\.(?!\w)|[{HAN}]\(|\)[{HAN}]", said)
        tight = re.search(rf"[{HAN}][A-Za-z0-9]|[A-Za-z0-9][{HAN}]", said)
        if half or tight:
            wrong.append((chinese, (half or tight)[0]))  # type: ignore[index]
    assert wrong == []


def test_texts_get_the_values_that_they_name() -> None:
    """`_("{path} is gone")` without `path=` would fail only where it is shown."""
    wrong = []
    for name, nodes in modules():
        for node in calls(nodes, "_", "ngettext", "pgettext"):
            first = {"_": 0, "ngettext": 1, "pgettext": 1}[node.func.id]  # type: ignore[attr-defined]
            given = {keyword.arg for keyword in node.keywords}
            text = node.args[first] if len(node.args) > first else None
            if not isinstance(text, ast.Constant) or None in given or not (given or node.func.id == "ngettext"):  # type: ignore[attr-defined]
                continue
            named = {re.split(r"[.\[]", field)[0] for _, field, _, _ in string.Formatter().parse(text.value) if field}
            if node.func.id == "ngettext":  # type: ignore[attr-defined]
                given.add("n")
            if named - given or given - named - {"n"}:
                wrong.append(f"{name}:{node.lineno} {sorted(named ^ given)}")
    assert wrong == []


def test_no_text_is_looked_up_when_a_module_is_imported_or_by_a_local_name() -> None:
    wrong = []
    for name, nodes in modules():
        functions = [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)]
        inside: set[ast.AST] = set()
        for one in functions:
            within = [node for part in _body(one) for node in ast.walk(part)]
            inside.update(within)
            if calls(within, "_") and _binds(one):
                wrong.append(f"{name}:{one.lineno}: `_` is a local name")
        early = [call for call in calls(nodes, "_", "ngettext", "pgettext") if call not in inside]
        wrong += [f"{name}:{call.lineno}: at import" for call in early]
    assert wrong == []


def _body(function: ast.AST) -> list[ast.AST]:
    body = function.body  # type: ignore[attr-defined]
    return body if isinstance(body, list) else [body]


def _binds(function: ast.AST) -> bool:
    """Tell whether a function has `_` as a name of its own; a comprehension's is not the function's."""
    todo, own = list(_body(function)), []
    while todo:
        node = todo.pop()
        if not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            own.append(node)
            todo += ast.iter_child_nodes(node)
    arguments = function.args  # type: ignore[attr-defined]
    named = any(one.arg == "_" for one in (*arguments.args, *arguments.posonlyargs, *arguments.kwonlyargs))
    return named or any(isinstance(node, ast.Name) and node.id == "_" and isinstance(node.ctx, ast.Store) for node in own)


def test_every_text_for_users_is_marked() -> None:
    """Texts of errors, helps, and what the command line prints."""
    from penult import errors

    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.PenultError) and name != "InternalError"
    }
    wrong = []
    for name, nodes in modules():
        shown = PRINTING if name.startswith("cli") else set()
        for node in nodes:
            if not isinstance(node, ast.Call):
                continue
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            texts = node.args[:1] if called in kinds | shown else []
            for text in [*texts, *(k.value for k in node.keywords if k.arg == "help")]:
                for literal in _literals(text):
                    excused = any(name == file and literal.startswith(start) for file, start in ENGLISH)
                    if NO_PROSE.search(literal) and not excused:
                        wrong.append(f"{name}:{node.lineno} {literal[:60]}")
    assert wrong == []


def _literals(node: ast.expr) -> Iterator[str]:
    """Yield the literal texts of an expression, but for those inside a call, which may be `_`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        yield "".join(str(part.value) if isinstance(part, ast.Constant) else "x" for part in node.values)
    elif isinstance(node, ast.IfExp | ast.BinOp | ast.BoolOp):
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.expr):
                yield from _literals(part)

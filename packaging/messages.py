"""Bring the catalogues of translations up to date with the source, and compile them.

    python packaging/messages.py                      collect all texts, update each penult.po, compile it to penult.mo
    python packaging/messages.py --merge mine.po      the same, and take the translations of mine.po
    python packaging/messages.py --missing src/penult/cli > mine.po     the texts of a folder that have no translation yet
    python packaging/messages.py --compile            compile alone
    python packaging/messages.py --check              exit 1 where a penult.po is not what the source gives

A catalogue is sorted and has neither places nor dates, so that work side by side merges. Needs Babel.
"""

from __future__ import annotations

import argparse
import ast
import io
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages import Catalog, Message
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "penult"
CALLS = re.compile(r"""\bt\(\s*(['"])((?:\\.|(?!\1).)*)\1""")  # as penult.html has it
PYTHON = {"_": 1, "N_": 1, "ngettext": 2, "pgettext": 2}  # how many of the first arguments are texts
HEADER = (
    'msgid ""\nmsgstr ""\n"Language: {language}\\n"\n"MIME-Version: 1.0\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    '"Content-Transfer-Encoding: 8bit\\n"\n"Plural-Forms: nplurals=1; plural=0;\\n"\n\n'
)

Text = tuple[str | None, tuple[str, ...]]  # (context, the text, or its singular and plural)


def python_texts(source: str, name: str) -> Iterator[tuple[int, Text]]:
    """Yield (line, text) of each call that marks a text. Raises `SyntaxError` where what it marks is not a literal."""
    for node in ast.walk(ast.parse(source, name)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called == "count" and len(node.args) > 1:  # penult.texts.count(n, "photo")
            words = [a.value for a in node.args[1:3] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if words:
                yield node.lineno, (None, (f"{{n:,}} {words[0]}", f"{{n:,}} {words[1] if words[1:] else words[0] + 's'}"))
        elif called == "FindingKind":  # name, title, title of several
            one, many = (str(a.value) for a in node.args[1:3] if isinstance(a, ast.Constant))
            yield node.lineno, (None, (f"{{n:,}} {one}", f"{{n:,}} {many}"))
        elif called == "progress" and len(node.args) == 3:  # of a ProgressCallback: the step, which is shown translated
            if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                yield node.lineno, (None, (node.args[0].value,))
        elif called in PYTHON and isinstance(node.func, ast.Name):
            given = node.args[: PYTHON[called]]
            texts = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
            if "" in texts:
                raise SyntaxError(f"{name}:{node.lineno}: {called}() of an empty text is the catalogue's header")
            if len(texts) == PYTHON[called]:
                yield node.lineno, (texts[0], (texts[1],)) if called == "pgettext" else (None, tuple(texts))
            elif any(isinstance(a, ast.JoinedStr | ast.BinOp) for a in given):
                raise SyntaxError(f"{name}:{node.lineno}: {called}() takes a plain text, and values as keywords")


def javascript_texts(source: bytes) -> Iterator[tuple[int, Text]]:
    """Yield (line, text) of each `t("...")`, found as `penult.html` does (Babel loses its way in templates of JavaScript)."""
    text = source.decode("utf-8")
    for call in CALLS.finditer(text):
        yield text.count("\n", 0, call.start()) + 1, (None, (re.sub(r"\\(.)", r"\1", call[2]),))


def source_texts(paths: list[Path]) -> Iterator[tuple[str, Text]]:
    """Yield (file:line, text) of each text that is marked in these files and folders."""
    for path in sorted({file for p in paths for file in ([p] if p.is_file() else p.rglob("*.*"))}):
        if path.suffix == ".py":
            found = python_texts(path.read_text(encoding="utf-8"), str(path))
        elif path.suffix in (".js", ".mjs") and "studio" not in path.parts:  # the studio's page has texts of its own
            found = javascript_texts(path.read_bytes())
        else:
            continue
        for line, text in found:
            yield f"{path}:{line}", text


def catalogues() -> list[Path]:
    return sorted(SOURCE.glob("locale/*/LC_MESSAGES/penult.po"))


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=path.parts[-3] if "LC_MESSAGES" in path.parts else "zh")


def written(catalogue: Catalog) -> bytes:
    """Return the catalogue as its file has it."""
    body = io.BytesIO()
    for message in catalogue:
        message.flags.clear()  # a "%" is no sign of a format
    write_po(body, catalogue, width=0, no_location=True, omit_header=True, sort_output=True, ignore_obsolete=True)
    return HEADER.format(language=catalogue.locale).encode() + body.getvalue().strip() + b"\n"


def key(text: Text) -> tuple[str | None, str]:
    return text[0], text[1][0]


def updated(old: Catalog, texts: list[Text], fragments: list[Catalog]) -> Catalog:
    """Return a catalogue of exactly these texts, with the translations of the fragments, else of the old one."""
    new = Catalog(locale=old.locale, charset="utf-8")
    for context, text in texts:
        ids = text[0] if len(text) == 1 else text
        had = new.get(text[0], context)
        if had is not None and isinstance(ids, str):  # also with a plural elsewhere
            continue
        new.add(ids, context=context)
    for message in new:
        if not message.id:
            continue
        for book in [*fragments[::-1], old]:
            found = book.get(message.id, message.context)
            if found is not None and not found.fuzzy and translated(found):
                message.string = fitting(message, found)
                break
    return new


def translated(message: Message) -> bool:
    return all(message.string) if isinstance(message.string, list | tuple) else bool(message.string)


def fitting(message: Message, found: Message) -> str | tuple[str, ...]:
    """Return a translation as the message needs it: Chinese has one form for every number."""
    string = found.string if isinstance(found.string, str) else found.string[0]
    return (string,) if message.pluralizable else string


def compile_catalogues() -> None:
    """Write penult.mo beside each penult.po, at once: others may read it."""
    for path in catalogues():
        temporary = path.with_suffix(f".{os.getpid()}")
        with temporary.open("wb") as file:
            write_mo(file, read(path))
        temporary.replace(path.with_suffix(".mo"))


def missing(paths: list[Path], book: Catalog) -> bytes:
    """Return the texts of these files that the catalogue does not translate, in the order of the source."""
    wanted = Catalog(locale=book.locale)
    for place, (context, text) in source_texts(paths):
        found = book.get(text[0], context)
        if found is None or not translated(found):
            file, _, line = place.rpartition(":")
            wanted.add(text[0] if len(text) == 1 else text, context=context, locations=[(file, int(line))])
    body = io.BytesIO()
    write_po(body, wanted, width=0, omit_header=True)
    return body.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--merge", nargs="+", type=Path, default=[], metavar="FRAGMENT.po")
    parser.add_argument("--missing", nargs="+", type=Path, metavar="PATH")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--compile", action="store_true")
    args = parser.parse_args()
    if args.missing:
        for path in catalogues():
            sys.stdout.buffer.write(missing(args.missing, read(path)))
        return 0
    code = 0
    if not args.compile:
        texts = [text for _, text in source_texts([SOURCE])]
        fragments = [read(path) for path in args.merge]
        known = {key(text) for text in texts}
        for path, fragment in zip(args.merge, fragments, strict=True):
            for message in fragment:
                first = message.id[0] if message.pluralizable else message.id
                if first and (message.context, first) not in known:
                    print(f"{path}: not in the source: {first}", file=sys.stderr)
        for path in catalogues():
            book = updated(read(path), texts, fragments)
            lacking = sum(not translated(message) for message in book if message.id)
            print(f"{path.parts[-3]}: {len(book):,} texts, {lacking:,} without a translation", file=sys.stderr)
            if args.check:
                code |= path.read_bytes() != written(book)
            else:
                path.write_bytes(written(book))
    if not args.check:
        compile_catalogues()
    return code


if __name__ == "__main__":
    raise SystemExit(main())

"""The command line in Chinese: how its language is chosen, and that help and tables stand in columns."""

from __future__ import annotations

import argparse
import ast
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from penult import i18n, system
from penult.cli import build, language, main, output
from penult.cli.parser import ARGPARSE
from penult.cli.wrapping import fill, wrap
from penult.texts import display_width

HEAVY = {"numpy", "rich", "babel", "matplotlib", "PIL", "ctypes"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_TW.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_HK"}, "zh"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, "en"),  # as gettext has it
        ({"LANG": "fr_FR.UTF-8", "LANGUAGE": "fr:zh"}, "zh"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
    ],
)
def test_the_locale_says_the_language(environment: dict[str, str], found: str) -> None:
    assert language.of_locale(environment) == found


def test_windows_says_the_language_of_its_menus(monkeypatch: pytest.MonkeyPatch) -> None:
    assert system.menu_language() == "" or system.WINDOWS
    windll = SimpleNamespace(kernel32=SimpleNamespace(GetUserDefaultUILanguage=lambda: 0x804))
    monkeypatch.setattr(system, "WINDOWS", True)
    monkeypatch.setattr("ctypes.windll", windll, raising=False)
    assert language.of_locale({}) == "zh"
    assert language.of_locale({"LANG": "en_US"}) == "en"
    monkeypatch.setattr(system, "WINDOWS", False)
    assert language.of_locale({}) == "en"


def test_the_option_comes_before_the_variable_the_file_and_the_locale(
    in_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(*words: str) -> str:
        assert main(["help", *words]) == 0
        return "zh" if capsys.readouterr().out.startswith("用法：") else "en"

    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert said() == "en"  # PENULT_LANG, of conftest
    monkeypatch.setenv("PENULT_LANG", "")
    assert said() == "zh"
    (in_folder / "penult.toml").write_text("lang = 'en'\n", encoding="utf-8")
    assert said() == "en"
    monkeypatch.setenv("PENULT_LANG", "zh-Hans")
    assert said() == "zh"
    assert said("--lang", "en") == said("--lang=en") == "en"
    assert (i18n.language(), os.environ["PENULT_LANG"]) == ("en", "zh-Hans")  # as before


def test_children_speak_as_the_command_does(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    code = "from penult.i18n import language; print(language())"
    monkeypatch.setattr("penult.cli.info.describe", lambda _: subprocess.run([sys.executable, "-c", code], check=True))
    main(["--lang", "zh", "info", "run", "--json"])
    assert capfd.readouterr().out.startswith("zh\n")


def test_an_unknown_language_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lang", "klingon", "help"]) == 2
    assert capsys.readouterr().err == "penult: unknown language 'klingon'; known: en, zh.\n"
    assert main(["--lang=", "help"]) == 2 == main(["help", "--lang", ""])
    assert capsys.readouterr().err == "penult: unknown language ''; known: en, zh.\n" * 2


def test_english_is_taken_where_chinese_cannot_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENULT_LANG", "")
    monkeypatch.setenv("LC_ALL", "zh_CN")
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", latin)
    with language.chosen([]):
        assert i18n.language() == "en"
    with language.chosen(["--lang", "zh"]):
        assert (i18n.language(), latin.encoding) == ("zh", "utf-8")


def test_only_the_option_fixes_the_language_of_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENULT_LANG", "zh")
    for words, everybody in (([], False), (["--lang", "en"], True)):
        with language.chosen(words):
            assert i18n.for_everybody() is everybody
    assert not i18n.for_everybody()


def test_mistakes_in_the_words_are_told_in_chinese(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in (
        (("train", "--fit", "round"), "无效的值：'round'"),
        (("export", "run"), "缺少必需的参数：--to"),
        (("train", "--seed"), "需要一个参数值"),
        (("trian",), "未知的命令 'trian'；是否想输入 train？"),
    ):
        with pytest.raises(SystemExit):
            main(["--lang", "zh", *words])
        told = capsys.readouterr().err
        assert said in told, told
        assert told.startswith("用法：penult")
        assert not re.search("[a-z]{3} (argument|choice|required)", told)


def test_every_text_that_argparse_may_show_is_in_the_catalogue() -> None:
    """Of this version of Python; the rest of its texts are for who writes a parser."""
    # what a heading of ours stands for, what a user cannot cause, and what is raised while a parser is made
    other = re.compile(
        r"show (this|program)|options$|(positional|optional) arguments|subcommand|is not callable|%\(prog\)s|parser|conflict|"
        r"cannot (merge|have)|invalid (option string|conflict)|mutually|__call__|dest=|required'|mode %r|deprecated|default: %"
    )
    shown = set()
    for node in ast.walk(ast.parse(inspect.getsource(argparse))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_" and isinstance(node.args[0], ast.Constant):
            shown |= set() if other.search(node.args[0].value) else {node.args[0].value}
    assert len(shown) > 10
    assert shown - set(ARGPARSE) == set()


@pytest.mark.parametrize("width", [66, 80, 100])
def test_chinese_help_is_never_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    i18n.set_language("zh")
    pages = [build().format_help(), *(p.format_help() for p in build().commands().values())]
    lines = [line for page in pages for line in page.splitlines()]
    assert max(map(display_width, lines)) <= width
    assert not [line for line in lines if re.match(r"\s*[，。：；？）」、]", line)]  # signs that never begin a line
    assert not [line for line in lines if re.search(r"[（「]$", line)]


def test_lines_of_chinese_end_anywhere_but_before_a_closing_sign() -> None:
    text = "把 `penult train` 的结果写入文件夹（默认：penult-run）。"
    for width in range(16, 60):
        lines = wrap(text, width)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
        assert all(display_width(line) <= width for line in lines)
    assert list(fill("第一行\n第二行 abc\ndef", 80)) == ["第一行第二行 abc def"]


def test_tables_stand_in_columns_of_the_terminal() -> None:
    shown = output.table(["类别", "精确率"], [["cat", "97%"], ["大熊猫", "100%"]])
    assert len({display_width(line) for line in shown.splitlines()}) == 1


def test_chinese_help_imports_nothing_heavy() -> None:
    code = "import sys; from penult.cli import main; main(['--lang', 'zh']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, encoding="utf-8")
    assert done.stdout.startswith("用法：")
    loaded = set(re.findall(r"'(\w+)'", done.stdout.splitlines()[-1]))
    assert loaded & HEAVY == set()

"""The studio's page as files: both languages whole, no markup made from text, the report's colors, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest

ASSETS = files("penult") / "studio" / "assets"
SCRIPTS = {one.name: one.read_text("utf-8") for one in ASSETS.iterdir() if one.name.endswith(".mjs")}
MESSAGES: dict[str, dict[str, Any]] = {
    name: json.loads((ASSETS / "messages" / f"{name}.json").read_text("utf-8")) for name in ("en", "zh")
}
MARKUP = (
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|setHTML|srcdoc"
    r"|\beval\(|new Function|javascript:"
)


def forms(message: str | dict[str, str]) -> list[str]:
    return [message] if isinstance(message, str) else list(message.values())


def placeholders(message: str | dict[str, str]) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", " ".join(forms(message))))


def test_both_languages_have_the_same_texts_with_the_same_values() -> None:
    assert list(MESSAGES["en"]) == list(MESSAGES["zh"])
    differing = [key for key, text in MESSAGES["en"].items() if placeholders(text) != placeholders(MESSAGES["zh"][key])]
    assert differing == []
    assert [key for key, text in MESSAGES["zh"].items() if not isinstance(text, str) and set(text) != {"other"}] == []


def test_chinese_is_written_with_chinese_punctuation() -> None:
    wrong = re.compile(r"[\u4e00-\u9fff][,;:!?()]|[,;:!?(][\u4e00-\u9fff]|[\u4e00-\u9fff]\.(?!\w)")
    assert [key for key, text in MESSAGES["zh"].items() if any(wrong.search(one) for one in forms(text))] == []


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_every_text_that_a_script_names_is_there(name: str) -> None:
    named = set(re.findall(r"""["'`]((?:[a-z]+)\.[a-z_0-9]+)["'`]""", SCRIPTS[name]))
    begun = set(re.findall(r"`([a-z]+\.(?:[a-z]+_)?)\$\{", SCRIPTS[name]))  # t(`label.why_${kind}`)
    spaces = {key.split(".")[0] for key in MESSAGES["en"]}
    assert {key for key in named if key.split(".")[0] in spaces} <= set(MESSAGES["en"])
    asked = set(re.findall(r"known\(`([a-z]+\.(?:[a-z]+_)?)\$\{", SCRIPTS[name]))  # texts that need not be
    assert [start for start in begun - asked if not any(key.startswith(start) for key in MESSAGES["en"])] == []


def test_every_text_is_used() -> None:
    """Each key stands in a script, or begins as one that is put together there."""
    code = "\n".join(SCRIPTS.values())
    starts = tuple(re.findall(r"`([a-z]+\.(?:[a-z_]+_)?)\$\{", code))
    assert [key for key in MESSAGES["en"] if f'"{key}"' not in code and not key.startswith(starts)] == []


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_text_never_becomes_markup_or_code(name: str) -> None:
    assert re.findall(MARKUP, SCRIPTS[name]) == []
    assert re.findall(r"""["'`](?:https?:)?//(?!www\.w3\.org)""", SCRIPTS[name]) == []  # nothing from another machine
    assert re.findall(r"""setAttribute\(["']style|style:""", SCRIPTS[name]) == []  # the policy refuses it


def test_the_page_loads_only_files_that_are_there() -> None:
    page = (ASSETS / "index.html").read_text("utf-8")
    assert re.findall(r"<style|<script(?![^>]* src=)|\son\w+=|style=", page) == []
    css = (ASSETS / "base.css").read_text("utf-8")
    named = re.findall(r"""["'(]/assets/([\w.-]+)["')]""", page + css)
    named += [one for code in SCRIPTS.values() for one in re.findall(r"""from "\./([\w.-]+\.mjs)";""", code)]
    assert [one for one in named if not (ASSETS / one).is_file()] == []


def test_the_colors_are_those_of_the_report() -> None:
    report = (files("penult.report") / "assets" / "report.css").read_text("utf-8")
    ours = (ASSETS / "base.css").read_text("utf-8")
    blocks = [re.findall(r":root \{([^}]*)\}", css)[:2] for css in (ours, report)]
    tokens = [[re.findall(r"(--[a-z0-9-]+): ([^;]+);", block) for block in pair] for pair in blocks]
    assert tokens[0] == tokens[1]
    assert min(map(len, tokens[0])) >= 18

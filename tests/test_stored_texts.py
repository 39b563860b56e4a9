"""What a run has stored in one language is said in another, and back; names and what nobody of ours wrote stay."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pytest

from finished import finish, lay_out
from penult import errors, i18n, report
from penult.cli import main
from penult.errors import InputError
from penult.i18n import _
from penult.stored_texts import retranslated
from penult.training.data import check_rows

SAID = {  # as runs have stored them, and in Chinese
    "labelled cat, predicted dog (98.8%)": "标签为 cat，预测为 dog（98.8%）",
    "truncated (training photo)": "文件不完整（训练照片）",  # a text in a text
    "1 image is an exact copy of another.": "1 张图像与其他图像完全相同。",  # its singular comes back
    "1,234 images are exact copies of others.": "1,234 张图像与其他图像完全相同。",
    "12 photos, fewer than 20; the largest class, photo, has 300": "12 张照片，不足 20 张；最大的类别 photo 有 300 张",
    "look at it; if it is two words, correct the label": "请查看：若确为 two words，就改正标签",
    "55 images are near-duplicates or look-alikes (21 groups of 2 to 7); each group stays in one fold.": (
        "55 张图像近似重复或相似（21 组，每组 2 到 7 张）；每一组都放在同一折中。"
    ),
    "blend on all 2 backbones": "blend，全部 2 个骨干网络",
}
CLASSES = ("正常", "照片", "无", "Data", "none")  # classes that are called like texts of the catalogue: ok, photo, ...


@pytest.mark.parametrize(("english", "chinese"), SAID.items())
def test_a_stored_text_is_said_in_the_language_of_who_reads_it(english: str, chinese: str) -> None:
    assert retranslated(english) == english
    assert retranslated(chinese) == english
    i18n.set_language("zh")
    assert retranslated(english) == chinese
    assert retranslated(chinese) == chinese


def test_a_text_that_is_nobodys_stays() -> None:
    for language in i18n.LANGUAGES:
        i18n.set_language(language)
        for text in ("", "my own note: look here", "model.onnx: 我的网络", "a\nb"):
            assert retranslated(text) == text


def about(name: str) -> list[str]:
    """Return texts with a name of the user's in them, as they are made in the language of the process."""
    with pytest.raises(InputError) as rare:
        check_rows(np.array([0, 1, 1]), (name, "other"), name)
    unknown = errors.unknown("option", name, [f"{name}s"])
    moved = _("{listing}: {old} was not found; nothing was moved. Fix the list.", listing=name, old=name)
    labelled = _("labelled {label}, predicted {given} ({share})", label=name, given=name, share="98.8%")
    known = _("'{value}' is no {name}; use one of {known}.", value=name, name=name, known=name)
    return [str(rare.value), str(unknown), moved, labelled, known]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(("stored", "shown"), [("en", "zh"), ("zh", "en")])
def test_names_in_a_stored_text_stay_though_they_are_texts_of_ours(name: str, stored: str, shown: str) -> None:
    i18n.set_language(stored)
    kept = about(name)
    i18n.set_language(shown)
    assert [retranslated(text) for text in kept] == about(name) != kept


def test_a_run_in_chinese_has_english_keys_and_keeps_its_classes_in_every_language(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_out(tmp_path / "base/train", **dict.fromkeys(CLASSES, 4))
    lay_out(tmp_path / "base/test", first=50, **dict.fromkeys(CLASSES, 1))
    i18n.set_language("zh")
    run = finish(tmp_path / "base", head="centroid")
    metrics, own = run.metrics, "centroid on colour_histogram"
    names = [metrics["scores"]["name"], metrics["test"]["name"], *(one["name"] for one in metrics["compared"])]
    assert names == [own, "test images", own]
    metrics["compared"].append({**metrics["compared"][0], "name": "svm on all 2 backbones"})
    for stored, shown, heads in (("en", "zh", "svm，全部 2 个骨干网络"), ("zh", "en", "svm on all 2 backbones")):
        i18n.set_language(stored)
        run.change({**metrics, "notes": [text for name in CLASSES for text in about(name)]})
        i18n.set_language(shown)
        report.rebuild(run.folder)
        page = html.unescape(re.sub(r"<[^>]+>", "\n", (run.folder / report.PAGE).read_text(encoding="utf-8")))
        assert {*CLASSES, heads} <= set(page.splitlines())
        assert [text for name in CLASSES for text in about(name) if text.rstrip(".。") not in page] == []
        capsys.readouterr()
        assert main(["info", str(run.folder)]) == 0
        said = capsys.readouterr().out
        assert [name for name in CLASSES if f"{name} 4" not in said] == []

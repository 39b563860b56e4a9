"""What training, its heads and its networks say in Chinese: whole sentences, with no English left in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penult import i18n
from penult.errors import InputError, what_and_cure
from penult.evaluate import imbalance, label_words, score, verdict
from penult.evaluate.decision_texts import decision_sentences
from penult.stored_texts import retranslated
from penult.training.run_difference import PartDifference, RunDifference, ScoreChange

NAMES = re.compile(r"'[^']*'|`[^`]*`|--[\w-]+(?: balanced)?|\bAUC\b|\bmicro F1\b|\bmAP\b|-> ")
COMPILED = (Path(i18n.__file__).parent / "locale" / "zh" / "LC_MESSAGES" / "penult.mo").is_file()
pytestmark = pytest.mark.skipif(not COMPILED, reason="the catalogues are not compiled (`make messages`)")


@pytest.fixture
def chinese() -> None:
    i18n.set_language("zh")


def english_in(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]{2,}", NAMES.sub("", text))


def answers(right: int, n: int) -> Any:
    """Return an evaluation of n photos of two classes, of which so many are answered right, surely."""
    y = np.arange(n) % 2
    said = np.where(np.arange(n) < right, y, 1 - y)
    return score(y, np.where(np.arange(2) == said[:, None], 0.97, 0.03), ("cat", "dog"))


@pytest.mark.parametrize("right", [20, 40, 78, 80])
@pytest.mark.parametrize("test", [None, 10, 40, 80])
def test_a_verdict_is_chinese_from_end_to_end(chinese: None, right: int, test: int | None) -> None:
    said = verdict(answers(right, 80), test=None if test is None else answers(test, 80))
    assert english_in(said) == []
    assert "准确率" in said
    assert said.endswith("。")
    assert "。 " not in said  # sentences follow without a blank


def test_what_else_a_run_says_is_chinese_from_end_to_end(chinese: None) -> None:
    y = np.repeat([0, 1], [120, 12])
    said = imbalance(score(y, np.tile([0.9, 0.1], (132, 1)), ("cat", "dog")))
    point = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in ("flagged", "precision", "recall")} | {"label": "dog"}
    target = {"kind": "target", "measure": "recall", "value": 0.9, "threshold": 0.2, "kept": False, "point": point}
    moved = ScoreChange("accuracy", 0.9, 0.95, 0.05, 0.01, 0.09, 80)
    runs = RunDifference("a", "b", PartDifference((moved,)), None, (), ("x.jpg",), (), (), (), (), ())
    ap = {"value": 0.9, "low": 0.8, "high": 0.95}
    labels = {"scores": {"mAP": ap, "micro_f1": ap, "exact_match": ap}, "per_label": []}
    for text in (said, *decision_sentences(target), runs.verdict(), label_words.label_verdict(labels)):
        assert english_in(str(text)) == []
    assert [line for line in runs.lines() if english_in(line) not in ([], ["jpg"])] == []


@pytest.mark.parametrize("language", ["en", "zh"])
def test_what_happened_is_told_from_what_to_do_in_either_language(language: str) -> None:
    i18n.set_language(language)
    with pytest.raises(InputError) as raised:
        score(np.array([0, 5]), np.full((2, 2), 0.5), ("cat", "dog"))
    what, cure = what_and_cure(raised.value)
    assert "5" in what
    assert cure
    assert f"{what}{cure}".replace(" ", "") == re.sub(r"[;；] ?", "", str(raised.value)).replace(" ", "")


def test_the_note_on_an_onnx_file_is_kept_in_english_and_shown_in_chinese(chinese: None) -> None:
    kept = "ONNX file mine.onnx; the features are its only output, 'y' (n, 8); the recipe's output can name another"
    assert english_in(retranslated(kept)) == ["ONNX", "mine", "onnx", "output"]


def test_what_happens_on_another_machine_is_told_in_the_language_of_the_command() -> None:
    pytest.importorskip("ray", reason="needs ray, of the extra `ray`")
    from penult.cluster.heads import RowActor

    RowActor("zh")
    assert i18n.language() == "zh"

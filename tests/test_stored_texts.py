"""What a run has stored in one language is said in another, and back; names and what nobody of ours wrote stay."""

from __future__ import annotations

import pytest

from penult import i18n
from penult.stored_texts import retranslated

SAID = {  # as runs have stored them, and in Chinese
    "labelled cat, predicted dog (98.8%)": "标签为 cat，预测为 dog（98.8%）",
    "truncated (training photo)": "文件不完整（训练照片）",  # a text in a text
    "1 image is an exact copy of another.": "1 张图像与其他图像完全相同。",  # its singular comes back
    "1,234 images are exact copies of others.": "1,234 张图像与其他图像完全相同。",
    "12 photos, fewer than 20; the largest class, photo, has 300": "12 张照片，不足 20 张；最大的类别 photo 有 300 张",
    "look at it; if it is two words, correct the label": "请查看：若确为 two words，就改正标签",
    "blend on all 2 backbones": "blend，全部 2 个骨干网络",
}


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

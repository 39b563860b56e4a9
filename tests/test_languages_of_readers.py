"""Each reader in their language: pages and answers of servers, the exported page; and no code that reads a translated text."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from browser import Chromium, found
from penult import i18n, images
from penult.bundle import save_bundle
from penult.embed import Tolerance
from penult.errors import InputError, TooManyBad
from penult.export import page
from penult.pixels import advice, reason_of, summarize_failures
from penult.pixels.decoding import open_picture
from penult.pixels.recipe import Failure
from penult.serve import Queue
from serving import SlowPredictor, running
from test_export import model
from test_export_page import GLUE, until

CHINESE = re.compile(r"[\u4e00-\u9fff]")
TRUNCATED = "the photo cannot be read: truncated: copy or download it again from where it came from, or remove it."
LATIN = {"penult", "onnxruntime", "web", "MIT", "CSV", "tiny", "none", "a", "b", "c"}  # names, in any language


class Words(HTMLParser):
    """What a page shows, scripts apart: text, labels, and the texts that scripts may show."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._silent = 0
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent += tag in ("script", "style")
        self.texts += [value or "" for name, value in attrs if name in ("aria-label", "title", "alt", "placeholder")]

    def handle_endtag(self, tag: str) -> None:
        self._silent -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._silent and data.strip():
            self.texts.append(data)


def english_words(document: str) -> set[str]:
    return {word for text in Words(document).texts for word in re.findall(r"[A-Za-z_]{3,}", text)}


def test_a_browser_is_answered_in_the_language_that_it_likes_best() -> None:
    liked = (
        "zh-CN,zh;q=0.9,en;q=0.8",
        "en-GB,zh;q=0.5",
        "fr,zh;q=0.1",
        "de,fr",
        "",
        "zh;q=0, en",
        "*",
        ";q=x,,zh;q=1.0.0",
        "zh; q=0.5, en;Q = 0.4",
    )
    assert [i18n.accepted(one) for one in liked] == ["zh", "en", "zh", None, None, "en", None, None, "zh"]
    with i18n.in_language("zh"):
        assert i18n.language() == "zh"
        with i18n.in_language(None):
            assert i18n.language() == "zh"
    assert i18n.language() == "en"


def test_the_server_speaks_to_each_browser_in_its_language_and_to_programs_in_english(tmp_path: Path) -> None:
    save_bundle(tmp_path / "colors.penult", model())

    def quick(bundle: object, settings: object) -> SlowPredictor:
        made = SlowPredictor(bundle, settings)  # type: ignore[arg-type]
        made.go.set()
        return made

    with running({"colors": tmp_path / "colors.penult"}, quick, queue=Queue(photos=9, most=4)) as client:
        chinese = {"Accept-Language": "zh-CN,zh;q=0.9"}
        shown, plain = client.ask("/", headers=chinese), client.ask("/")
        assert 'lang="zh-CN"' in shown.body.decode() and 'lang="en"' in plain.body.decode()
        assert shown.headers["vary"] == "Accept-Language"
        assert english_words(shown.body.decode()) - LATIN <= {
            "openapi",
            "json",
            "serve",
        }
        wrong = client.ask("/predict", b"bad photo", headers=chinese)
        assert (
            wrong.status == 422 and wrong.json()["error"] == "照片无法读取：文件不完整：请从来源处重新复制或下载，或删除它。"
        )
        assert client.ask("/predict", b"bad photo").json()["error"] == TRUNCATED
        for everybody in (False, True):  # by the locale of its machine, and by --lang
            i18n.set_language("zh", everybody)
            english, other = (client.ask("/nothing", headers={"Accept-Language": one}).json()["error"] for one in ("en", "fr"))
            assert (CHINESE.search(english) is not None, CHINESE.search(other) is not None) == (everybody, True)


def test_the_exported_page_is_chinese_throughout_and_an_english_one_for_chinese_browsers(tmp_path: Path) -> None:
    small = replace(model(), classes=("a", "b", "c"))
    english = page.page(small, b"a graph", (GLUE, b"wasm"), "0123", {})
    with i18n.in_language("zh"):
        chinese = page.page(small, b"a graph", (GLUE, b"wasm"), "0123", {})
    assert 'lang="zh-CN"' in chinese[:400] and "<template" not in chinese
    i18n.set_language("en", everybody=True)  # as `--lang en` does
    assert not CHINESE.search(page.page(small, b"a graph", (GLUE, b"wasm"), "0123", {}))
    i18n.set_language("en")
    assert english_words(chinese) <= LATIN
    said = re.search(r'id="texts">(.*?)</script>', chinese)
    assert said is not None and len(re.findall(r'": ?"', said[1])) > 20  # the texts of its scripts
    if found() is None:
        pytest.skip("no Chromium here")
    (tmp_path / "page.html").write_text(english, encoding="utf-8")
    with Chromium() as browser:
        for tag, ready in (("zh-CN", "就绪。"), ("en-US", "Ready.")):
            tab = browser.open("about:blank")
            tab.call("Emulation.setUserAgentOverride", userAgent="Mozilla/5.0", acceptLanguage=tag)
            tab.call("Page.navigate", url=f"file://{tmp_path / 'page.html'}")
            tab.run(until("document.body?.dataset.ready"))
            shown = tab.run("[document.documentElement.lang.slice(0, 2), document.getElementById('status').textContent]")
            assert shown == [tag[:2], ready] and tab.complaints() == []


def test_a_strict_scan_and_faulty_rows_are_told_from_others_in_any_language(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        Image.new("RGB", (9, 9)).save(tmp_path / name)
    (tmp_path / "3.dcm").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "labels.csv").write_text("file,label\n1.png,nan\n2.png,None\n", encoding="utf-8")
    i18n.set_language("zh")
    scanned = images.scan_unlabelled(str(tmp_path))
    assert scanned.ignored["DICOM files"] == 1  # a key of metrics.json
    with pytest.raises(TooManyBad, match=r"3\.dcm"):
        Tolerance(strict=True).check_scan(scanned)
    with pytest.raises(InputError, match=r"“None”，pandas 等程序用它表示缺失.*请清空没有标签的照片的单元格"):
        images.scan_labelled(str(tmp_path / "labels.csv"))


def test_the_reason_of_an_unreadable_photo_is_a_code_and_shown_as_a_text() -> None:
    i18n.set_language("zh")
    failure = open_picture(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert isinstance(failure, Failure) and failure.reason == "truncated"
    assert (reason_of(failure), advice(failure)) == ("文件不完整", "请从来源处重新复制或下载，或删除它")
    assert summarize_failures([failure] * 2) == "2 张文件不完整：请从来源处重新复制或下载，或删除它"

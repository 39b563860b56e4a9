"""The exported page in a real browser: pixels equal to penult's to the bit, no request, and safe with any name."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import Chromium, Page, found
from penult import pixels
from penult.errors import DamagedFile, InputError
from penult.export import page, web_runtime
from penult.pixels.recipe import Recipe
from test_export import RECIPES, model

needs_browser = pytest.mark.skipif(found() is None, reason="no Chromium here")

# Stands for the runtime: the answer is made of the pixels that the network would see
GLUE = b"""
export const env = { wasm: {} };
export class Tensor { constructor(type, data, dims) { Object.assign(this, { type, data, dims }); } }
export const InferenceSession = { create: async () => ({ run: async ({ pixels_0 }) => {
  const share = pixels_0.data.reduce((a, b) => a + b, 0) / pixels_0.data.length / 255;
  return { probabilities: { data: [share, (1 - share) / 2, (1 - share) / 2] }, novelty: { data: [2 * share] } };
} }) };
"""


def until(condition: str) -> str:
    """Return code that waits for a condition on the page."""
    return f"new Promise((r) => {{ const t = setInterval(() => {{ if ({condition}) {{ clearInterval(t); r(1); }} }}, 20); }})"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as chromium:
        yield chromium


@pytest.fixture
def tab(browser: Chromium, tmp_path: Path) -> Page:
    """Return the page of a small model, ready."""
    names = ("red", "<b>green</b>", "=1+1")
    text = page.page(replace(model(), classes=names), b"a graph", (GLUE, b"wasm"), "0123", {"verdict": "97% accuracy"})
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    opened = browser.open(f"file://{tmp_path / 'page.html'}")
    opened.run(until("document.body.dataset.ready"))
    return opened


def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    shapes = [
        (1, 1),
        (2, 90),
        (90, 2),
        (61, 43),
        (200, 30),
        (30, 200),
        (5000, 3),
        *(tuple(random.integers(1, 150, 2)) for _ in range(5)),
    ]
    return [random.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in shapes]


@needs_browser
def test_the_resize_in_javascript_is_that_of_pixels_to_the_bit(tab: Page) -> None:
    for recipe in [*RECIPES, Recipe(224)]:
        for image in pictures():
            height, width = image.shape[:2]
            data = base64.b64encode(image.tobytes()).decode()
            code = (
                f"btoa(String.fromCharCode(...penult.prepare(Uint8Array.from(atob('{data}'), (c) => c.charCodeAt(0)), "
                f"{width}, {height}, {json.dumps(recipe.to_dict())}).subarray(0, 60000)))"
            )
            given = np.frombuffer(base64.b64decode(tab.run(code)), np.uint8)
            wanted = pixels.prepare(image, recipe).reshape(-1)[:60000]
            np.testing.assert_array_equal(given, wanted, f"{recipe.geometry}, {height} x {width}")


def encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def photographs() -> dict[str, bytes]:
    """Return files of every kind that a browser decodes as Pillow does, one of them turned by its orientation tag."""
    rows, columns = np.mgrid[0:60, 0:90]
    waves = np.stack([127 + 120 * np.sin(rows / 7 + columns / (9 + c)) for c in range(4)], -1).astype(np.uint8)
    plain, clear = Image.fromarray(waves[..., :3]), Image.fromarray(waves, "RGBA")
    turned = Image.Exif()
    turned[0x0112] = 6
    return {
        "jpeg": encoded(plain, "JPEG", quality=90, subsampling=0),
        "jpeg 4:2:0": encoded(plain, "JPEG", quality=80),
        "gray jpeg": encoded(plain.convert("L"), "JPEG"),
        "turned jpeg": encoded(plain, "JPEG", exif=turned),
        "png": encoded(plain, "PNG"),
        "palette png": encoded(plain.quantize(30), "PNG"),
        "png with alpha": encoded(clear, "PNG"),
        "webp with alpha": encoded(clear, "WEBP", lossless=True, exact=True),
        "gif": encoded(plain.quantize(20), "GIF"),
    }


@needs_browser
def test_files_are_decoded_as_penult_decodes_them(tab: Page) -> None:
    off = {}
    for name, data in photographs().items():
        text = base64.b64encode(data).decode()
        code = (
            f"penult.decode(new Blob([Uint8Array.from(atob('{text}'), (c) => c.charCodeAt(0))])).then((p) => "
            "[p.width, p.height, btoa(String.fromCharCode(...p.rgb)), p.note])"
        )
        width, height, given, note = tab.run(code)
        rgb = np.frombuffer(base64.b64decode(given), np.uint8).reshape(height, width, 3)
        wanted = pixels.decode(data)
        assert not isinstance(wanted, pixels.Failure)
        assert note == "", name
        off[name] = int(np.abs(rgb.astype(int) - wanted).max())
    assert off == dict.fromkeys(off, 0)


@needs_browser
def test_photos_are_answered_sorted_and_saved_without_a_request(tab: Page, tmp_path: Path) -> None:
    for name, value in (("dark.png", 20), ("light<i>.png", 230)):
        Image.new("RGB", (50, 40), (value,) * 3).save(tmp_path / name)
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    chosen = tab.call("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
    files = [str(tmp_path / name) for name in ("dark.png", "light<i>.png", "no.jpg")]
    tab.call("DOM.setFileInputFiles", files=files, nodeId=chosen)
    tab.run(until("/answered/.test(document.getElementById('status').textContent)"))
    cards = tab.run("[...document.querySelectorAll('.card')].map((c) => c.innerText)")
    assert "<b>green</b>\n46.1%" in cards[0]
    assert "Unlike the training photos" in cards[1]
    assert cards[1].startswith("light<i>.png")
    assert "cannot be read here" in cards[2]
    assert tab.run("document.getElementById('counts').textContent") == "red 1 · <b>green</b> 1"
    tab.run(
        "document.getElementById('sort').value = 'novelty'; document.getElementById('sort').dispatchEvent(new Event('change'))"
    )
    assert tab.run("document.querySelector('.card h3').textContent") == "light<i>.png"
    tab.run(
        "{ const real = URL.createObjectURL; URL.createObjectURL = (blob) => { window.saved = blob; return real(blob); }; } 1"
    )
    tab.click("#save")
    lines = tab.run("window.saved.text()").split("\r\n")
    assert lines[0] == "file,label,confidence,red,<b>green</b>,'=1+1,novelty"
    assert lines[1].startswith("dark.png,<b>green</b>,0.460784,0.078431,")
    assert len(lines) == 3, "what could not be read has no row"
    assert tab.complaints() == []
    assert [url for url in tab.requests() if not url.startswith("blob:")] == []


@needs_browser
def test_the_page_decides_as_the_model_does(browser: Chromium, tmp_path: Path) -> None:
    names = ("red", "green", "blue")
    facts = {
        "decision": {"kind": "target", "measure": "recall", "class": "red", "value": 0.9, "threshold": 0.07},
        "conformal": {"level": 0.9, "thresholds": [0.05, 0.9, 0.9]},
    }
    text = page.page(replace(model(), classes=names, facts=facts), b"a graph", (GLUE, b"wasm"), "0123", {})
    (tmp_path / "page.html").write_text(text, encoding="utf-8")
    tab = browser.open(f"file://{tmp_path / 'page.html'}")
    tab.run(until("document.body.dataset.ready"))
    Image.new("RGB", (50, 40), (20,) * 3).save(tmp_path / "dark.png")
    root = tab.call("DOM.getDocument")["root"]["nodeId"]
    chosen = tab.call("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
    tab.call("DOM.setFileInputFiles", files=[str(tmp_path / "dark.png")], nodeId=chosen)
    tab.run(until("/answered/.test(document.getElementById('status').textContent)"))
    card = tab.run("document.querySelector('.card').innerText")
    assert "Decision: red. 90.0% set: " in card and card.rstrip().endswith("red")
    assert tab.run("document.getElementById('counts').textContent") == "red 1"
    assert tab.complaints() == []


def test_the_page_holds_all_it_needs_and_may_ask_for_nothing() -> None:
    text = page.page(model(), b"a graph", (GLUE, b"wasm"), "0123", {})
    assert not re.search(r"<[^>]*\s(src|href)=", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert "default-src &#x27;none&#x27;" in policy[1]
    assert "unsafe-inline" not in policy[1]
    assert "http:" not in policy[1]
    assert text == page.page(model(), b"a graph", (GLUE, b"wasm"), "0123", {}), "the same model gives the same page"


def test_a_runtime_that_is_not_the_published_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.tgz").write_bytes(b"other")
    with pytest.raises(InputError, match=r"none\.tgz cannot be read .*; give the file that `npm pack` wrote"):
        web_runtime.runtime(tmp_path / "none.tgz")
    with pytest.raises(DamagedFile, match=r"not the archive of onnxruntime-web 1\.30\.0 as npm publishes it"):
        web_runtime.runtime(tmp_path / "other.tgz")


def test_without_internet_access_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "http://127.0.0.1:9")
    with pytest.raises(InputError, match=r"run `npm pack onnxruntime-web@1\.30\.0`, and give the file with --runtime FILE"):
        web_runtime.runtime()

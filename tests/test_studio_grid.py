"""All photos, map, Mend, How good and Done in a real browser: what is shown, and what is sent for each act."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

import browser
from browser import Chromium, Page
from studio_page import MadeUpStudio

pytestmark = pytest.mark.skipif(browser.found() is None, reason="needs Chromium")
BOX = "(({x, y, width, height}) => [x, y, width, height])(document.querySelector('canvas.map').getBoundingClientRect())"
DEL = "document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Delete', bubbles: true, cancelable: true}))"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as one:
        yield one


def opened(chromium: Chromium, studio: MadeUpStudio, place: str, ready: str, **look: Any) -> Page:
    page = chromium.open(f"{studio.url}#/{place}", **look)
    until(page, ready)
    return page


def until(page: Page, code: str) -> None:
    """Wait until a piece of JavaScript is true."""
    for _ in range(400):
        if page.run(f"Boolean({code})"):
            return
        time.sleep(0.025)
    raise AssertionError(f"never: {code}; {page.complaints()}")


def sent(studio: MadeUpStudio, count: int) -> list[dict[str, Any]]:
    """Return the acts that the page sent, once there are so many."""
    for _ in range(400):
        if len(studio.acts) >= count:
            break
        time.sleep(0.025)
    assert len(studio.acts) == count
    kept = ("kind", "numbers", "label", "finding", "decision")
    return [
        {name: act[name] for name in kept if name in act} | ({} if "kind" in act else {"path": path})
        for path, act in studio.acts
    ]


CELLS = "document.querySelectorAll('photo-grid [role=gridcell] img[src]').length"


def test_of_100_000_photos_few_are_elements_and_the_last_one_is_reached(chromium: Chromium) -> None:
    with MadeUpStudio(100_000) as studio:
        page = opened(chromium, studio, "photos", f"{CELLS} > 20", width=1920, height=1200)
        page.run(
            "{const size = document.querySelector('input.size'); size.value = 72; size.dispatchEvent(new Event('input'))}"
        )
        page.run("document.querySelector('photo-grid [tabindex=\"0\"]').focus()")
        page.key("End", "", "Control")
        page.settle()
        assert page.run("document.activeElement.dataset.n") == "99999"
        assert 60 < page.run("document.querySelectorAll('*').length") <= 500
        rows, columns = page.run(
            "['rowcount', 'colcount'].map((one) => Number(document.querySelector('photo-grid').getAttribute(`aria-${one}`)))"
        )
        assert (rows - 1) * columns < 100_000 <= rows * columns
        assert page.run("document.activeElement.parentElement.getAttribute('aria-rowindex')") == str(rows)
        assert page.complaints() == []


def test_photos_are_selected_and_labelled_by_keys_and_mouse(chromium: Chromium) -> None:
    with MadeUpStudio(2000, labelled=0) as studio:
        page = opened(chromium, studio, "photos", f"{CELLS} > 20")
        selected = "[...document.querySelectorAll('photo-grid [aria-selected=true]')].map((one) => Number(one.dataset.n))"
        columns = page.run("document.querySelector('photo-grid').columns")
        page.run("document.querySelector('photo-grid [tabindex=\"0\"]').focus()")
        page.key("ArrowRight")
        for key in ("ArrowRight", "ArrowRight"):
            page.key(key, "", "Shift")
        assert page.run(selected) == [1, 2, 3]
        page.key("2")
        assert sent(studio, 1) == [{"kind": "many", "numbers": [1, 2, 3], "label": 1}]
        until(page, "document.querySelector('[data-n=\"2\"]').dataset.caption === 'dog'")
        page.key("Backspace")
        assert sent(studio, 2)[1] == {"path": "/api/undo"}
        until(page, "document.querySelector('[data-n=\"2\"]').dataset.caption.startsWith('owl?')")
        page.key("a", "", "Control")
        until(page, "document.querySelector('.actions .count').textContent.includes('2,000')")
        page.key("Escape")
        (x0, y0), (x1, y1) = page.centre('[data-n="0"]'), page.centre(f'[data-n="{columns + 1}"]')
        page.mouse("mousePressed", x0, y0, "left")  # a rectangle over two by two photos
        for share in (0.5, 1.0):
            page.mouse("mouseMoved", x0 + share * (x1 - x0), y0 + share * (y1 - y0), "left")
        page.mouse("mouseReleased", x1, y1, "left")
        assert page.run(selected) == [0, 1, columns, columns + 1]
        page.click("[data-act=exclude]")
        assert sent(studio, 3)[2] == {"kind": "exclude", "numbers": [0, 1, columns, columns + 1]}
        until(page, "document.querySelector('[data-n=\"1\"]').classList.contains('out')")
        page.click('[data-n="5"]')
        page.key("Enter")
        until(page, "document.querySelector('dialog[open] img').naturalWidth === 640")
        assert page.run("document.querySelector('dialog h2').textContent") == "photo 000005.jpg"
        page.key("3")  # labels it, and goes on
        assert sent(studio, 4)[3] == {"kind": "many", "numbers": [5], "label": 2}
        until(page, "document.querySelector('dialog h2').textContent === 'photo 000006.jpg'")
        page.key("Escape")
        until(page, "document.activeElement.dataset.n === '6'")
        assert page.complaints() == []


def test_photos_that_an_act_takes_out_of_the_filter_leave_and_come_back(chromium: Chromium) -> None:
    with MadeUpStudio(300, labelled=0) as studio:
        page = opened(chromium, studio, "photos?status=unlabelled", f"{CELLS} > 20")
        page.click('[data-n="1"]')
        page.key("1")
        until(page, "document.querySelector('.photos-head .count').textContent === '299 photos'")
        assert page.run("document.querySelector('photo-grid').numbers.slice(0, 3).join()") == "0,2,3"
        page.key("z", "", "Control")
        until(page, "document.querySelector('photo-grid').numbers.slice(0, 3).join() === '0,1,2'")


def test_a_long_press_begins_selecting_and_taps_go_on(chromium: Chromium) -> None:
    with MadeUpStudio(300) as studio:
        page = opened(chromium, studio, "photos", f"{CELLS} > 8", width=390, height=844)
        page.call("Emulation.setTouchEmulationEnabled", enabled=True)
        for n, held in ((1, 0.6), (4, 0.0)):
            x, y = page.centre(f'[data-n="{n}"]')
            page.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
            time.sleep(held)
            page.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        until(page, "document.querySelector('.actions .count').textContent === '2 selected'")
        assert page.run("document.documentElement.scrollWidth") == 390


def test_a_lasso_selects_and_labels_and_keys_do_too(chromium: Chromium) -> None:
    with MadeUpStudio(600, labelled=0) as studio:
        page = opened(chromium, studio, "photos?view=map", "document.querySelector('.legend li')")
        page.settle()
        x, y, wide, high = page.run(BOX)
        corners = [
            (2, 2),
            (wide / 2, 2),
            (wide - 2, 2),
            (wide - 2, high / 2),
            (wide - 2, high - 2),
            (wide / 2, high - 2),
            (2, high - 2),
            (2, high / 2),
        ]
        page.mouse("mousePressed", x + 2, y + 2, "left")
        for across, down in corners[1:]:
            page.mouse("mouseMoved", x + across, y + down, "left")
        page.mouse("mouseReleased", x + 2, y + high / 2, "left")
        until(page, "document.querySelector('.actions .count').textContent === '600 selected'")
        page.key("1")
        acts = sent(studio, 1)
        assert (acts[0]["kind"], acts[0]["label"], sorted(acts[0]["numbers"])) == ("many", 0, list(range(600)))
        page.key("Escape")
        page.run("document.querySelector('canvas.map').focus()")
        page.key("ArrowRight")
        page.key("Space")
        until(page, "document.querySelector('.actions .count').textContent === '1 selected'")
        page.click(".map-tools > button")  # look-alikes
        until(page, "document.querySelector('.actions .count').textContent === '9 selected'")
        assert page.complaints() == []


def test_findings_are_worked_through_by_keys(chromium: Chromium) -> None:
    with MadeUpStudio(60) as studio:
        page = opened(chromium, studio, "mend", "document.querySelector('.mend-pair img')")
        progress = "document.querySelector('.mend-steps progress').value"
        page.key("Enter")
        until(page, f"{progress} === 1 && document.querySelectorAll('.mend-pair img').length === 2")
        page.key("2")
        until(page, f"{progress} === 2 && document.querySelectorAll('.mend-pair img').length === 1")
        page.run(DEL)
        until(page, "document.querySelector('.empty h1')")
        assert sent(studio, 3) == [
            {"kind": "finding", "finding": "label-3", "decision": "keep"},
            {"kind": "finding", "finding": "near_copy-4", "decision": "change", "label": 1},
            {"kind": "finding", "finding": "outlier-8", "decision": "exclude"},
        ]
        page.key("Backspace")
        until(page, f"document.querySelector('.mend-pair img') && {progress} === 2")
        assert page.run("document.querySelector('.mend-why h2').textContent") == "Unlike all other photos"
        assert page.complaints() == []


def test_a_score_of_too_few_exam_questions_is_not_said(chromium: Chromium, monkeypatch: pytest.MonkeyPatch) -> None:
    with MadeUpStudio(60) as studio:
        page = opened(chromium, studio, "quality", "document.querySelector('.big')")
        assert page.run("document.querySelector('.big').textContent") == "86%"
        assert "between 75% and 92%" in page.run("document.querySelector('.score').textContent")
        assert page.run("document.querySelectorAll('.quality tbody td.soft').length") == 1  # the recall that is not known
        page.click("[data-act=help-0]")
        until(page, "location.hash.startsWith('#/label')")
        assert page.run("decodeURIComponent(location.hash)").endswith("numbers=" + ",".join(map(str, range(20))))
        monkeypatch.setattr(
            "studio_page.EXAM",
            {"asked": 5, "right": 5, "planned": 100, "score": None, "low": None, "high": None, "enough": False},
        )
        page = opened(chromium, studio, "quality", "document.querySelector('.big')")
        assert page.run("document.querySelector('.big').textContent") == "–"
        assert "5 of 20" in page.run("document.querySelector('.score').textContent")
        none = {"score": None, "low": None, "high": None}
        monkeypatch.setattr("studio_page.EXAM", {"asked": 5, "right": 5, "planned": 12} | none)
        page = opened(chromium, studio, "quality", "document.querySelector('.big')")
        assert "too few different photos" in page.run("document.querySelector('.score').textContent")
        assert page.run("document.querySelectorAll('.score progress').length") == 0  # it would never be full


def test_training_is_started_and_cancelled_and_exports_say_where_they_are(chromium: Chromium) -> None:
    with MadeUpStudio(60) as studio:
        page = opened(chromium, studio, "done", "document.querySelector('[data-act=train]')")
        page.click("[data-act=train]")
        until(page, "document.querySelector('.at-work progress')?.value === 3")
        page.click("[data-act=cancel]")
        until(page, "document.querySelector('.train [role=status]')?.textContent.startsWith('Cancelled')")
        page.click("[data-act='folders-done.link']")
        until(page, "document.querySelector('.takes .told .file')?.textContent === '/home/ada/photos-studio/folders'")
        assert [(path, body) for path, body in studio.acts if path == "/api/export"] == [
            ("/api/export", {"what": "folders", "how": "link"})
        ]
        assert (
            json.dumps(page.run("[...document.querySelectorAll('.news li')].map((one) => one.textContent)")).count(
                "photos became right"
            )
            == 1
        )

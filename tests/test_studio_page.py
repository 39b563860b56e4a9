"""Begin and Label in a real browser with a real studio behind it: keys, touch, a lost network, two tabs, two languages."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

from browser import Chromium, Page, found
from conftest import draw
from serving import NEEDED
from studio_client import StudioClient, studio

pytestmark = [NEEDED, pytest.mark.skipif(found() is None, reason="no Chromium here: apt-get install chromium")]

EACH = 24  # photos of a class
WARM, COLD = 0, 1
SAVED = "document.getElementById('sync').dataset.state === 'saved'"
SHOWN = "document.querySelector('.stage')?.dataset.number"


def lay_out(folder: Path) -> Path:
    """Draw photos of two classes, in one folder without any label."""
    folder.mkdir()
    for kind in ("warm", "cold"):
        for i in range(EACH):
            Image.fromarray(draw(kind, i)).save(folder / f"{i:02}-{kind}.png")
    return folder


class Opened:
    """A studio with two classes, and the browser."""

    def __init__(self, client: StudioClient, address: Any, chromium: Chromium) -> None:
        self.client, self.address, self.chromium = client, address, chromium
        for name in ("warm", "cold"):
            client.post("/api/classes", do="add", name=name)
        files = [one["file"] for one in client.get(f"/api/details?numbers={','.join(map(str, range(2 * EACH)))}")["photos"]]
        self.truth = np.array([WARM if "warm" in file else COLD for file in files])

    def tab(self, place: str = "label", **look: Any) -> Page:
        """Open the page at a place, once it shows it."""
        page = self.chromium.open(self.address(), **look)
        page.run(f"location.hash = '#/{place}'")
        until(page, SHOWN if place == "label" else f"document.querySelector('.place-{place.partition('?')[0]}')")
        return page

    def labels(self) -> np.ndarray:
        return np.array(self.client.get("/api/colors")["labels"])

    def answer(self, page: Page, count: int) -> None:
        """Press the right key for the photos that are shown."""
        for _ in range(count):
            until(page, SHOWN)
            page.key("12"[self.truth[shown(page)]])


def shown(page: Page) -> int:
    return int(page.run(SHOWN))


def until(page: Page, code: str) -> None:
    """Wait until a piece of JavaScript is true."""
    for _ in range(600):
        if page.run(f"Boolean({code})"):
            return
        time.sleep(0.02)
    told = page.run("['notice', 'class-problem'].map((id) => document.getElementById(id)?.innerText).join()")
    raise AssertionError(f"never: {code}; {told}; {page.complaints()}")


def until_dialog(page: Page) -> None:
    """Wait until the browser asks whether to leave the page, and leave it."""
    for _ in range(400):  # 20 s: machines are busy
        time.sleep(0.05)
        try:
            page.call("Page.handleJavaScriptDialog", accept=True)
            return
        except RuntimeError:
            continue
    raise AssertionError("the browser did not ask")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as one:
        yield one


@pytest.fixture(scope="module")
def module_studio(chromium: Chromium, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    base = tmp_path_factory.mktemp("studio")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENULT_CACHE", str(base / "cache"))
        with studio(lay_out(base / "photos"), base / "out", unlabelled=True) as (client, server):
            yield Opened(client, server.address, chromium)


@pytest.fixture
def opened(module_studio: Opened) -> Opened:
    """The studio without any label."""
    module_studio.client.post("/api/acts", kind="many", numbers=list(range(2 * EACH)), label=None)
    return module_studio


def test_classes_are_named_while_photos_are_prepared_and_labelled_by_keys_alone(
    chromium: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penult.studio import workspace

    go, real = Event(), workspace.prepare_project
    monkeypatch.setattr(workspace, "prepare_project", lambda *given: go.wait(30) and real(*given))
    with studio(lay_out(tmp_path / "photos"), tmp_path / "out", wait=False, unlabelled=True) as (client, server):
        page = chromium.open(server.address())
        until(page, "document.querySelector('.begin-head progress')")
        page.run("document.getElementById('new-class').focus()")
        for name in ("<i>warm", "冷", "冷"):
            page.type(name)
            page.key("Enter")
        assert "冷" in page.run("document.getElementById('class-problem').textContent")  # told that it is there twice
        go.set()
        until(page, "document.querySelectorAll('.classes li input.cap').length === 2")
        server.workspace.wait()
        until(page, SAVED)
        assert [(one["name"], one["key"]) for one in client.get("/api/project")["classes"]] == [("<i>warm", "1"), ("冷", "2")]
        for _ in range(40):  # to the first step, by the Tab key
            page.key("Tab", "", "Shift")
            if page.run("document.activeElement.matches('a.main')"):
                break
        page.key("Enter")
        until(page, SHOWN)
        assert page.run("document.activeElement.matches('.stage')")
        assert page.run("document.querySelector('.class-buttons .name').textContent") == "<i>warm"
        first = shown(page)
        page.key("2")
        page.key("Space")
        until(page, SAVED)
        assert client.get("/api/colors")["labels"][first] == 1
        assert [said for said in page.complaints() if "409" not in said] == []
        assert all(url.startswith(f"http://127.0.0.1:{server.port}/") for url in page.requests())


def test_doubt_guesses_except_in_the_exam_and_undo_shows_the_photo_again(opened: Opened) -> None:
    page, kinds, guessed = opened.tab(), [], []
    for _ in range(20):
        until(page, SHOWN)
        kinds.append(page.run("document.querySelector('.stage').dataset.kind"))
        guesses = page.run("[...document.querySelectorAll('.class-buttons .share')].map((one) => one.textContent).join('')")
        assert kinds[-1] not in ("exam", "again") or guesses == ""
        guessed.append("%" in guesses)
        opened.answer(page, 1)
    assert "exam" in kinds and any(guessed[-8:]), " ".join(kinds)
    until(page, SAVED)
    labels = opened.labels()
    assert (labels >= 0).sum() == 20 and (labels[labels >= 0] == opened.truth[labels >= 0]).all()
    last = shown(page)
    page.key("0")
    page.key("Backspace")
    assert shown(page) == last
    page.key("Backspace")  # the twentieth answer
    before = shown(page)
    until(page, SAVED)
    assert opened.labels()[before] == -1 and before != last
    page.key("Backspace", "", "Shift")
    until(page, f"{SAVED} && {SHOWN} !== '{before}'")
    assert (opened.labels() == labels).all()
    assert page.complaints() == []


def test_what_is_done_without_a_network_is_kept_and_sent_in_order(opened: Opened) -> None:
    page = opened.tab()
    seq = opened.client.get("/api/state")["seq"]
    page.offline(True)
    opened.answer(page, 3)
    until(page, "/3 changes/.test(document.getElementById('notice').textContent)")
    assert page.run("document.getElementById('sync').dataset.state") == "trouble"
    assert (opened.labels() >= 0).sum() == 0
    page.run("setTimeout(() => { location.href = 'about:blank'; }, 20)")  # a warning comes first, and is not heeded
    until_dialog(page)
    page.offline(False)
    page.call("Page.navigate", url=opened.address())  # what is not saved has outlived the page
    until(page, f"document.getElementById('sync') && {SAVED}")
    labels = opened.labels()
    assert (labels >= 0).sum() == 3 and (labels[labels >= 0] == opened.truth[labels >= 0]).all()
    assert opened.client.get("/api/state")["seq"] == seq + 3  # each once


def test_a_page_of_one_class_is_struck_and_confirmed_by_keys(opened: Opened) -> None:
    page = opened.tab()
    opened.answer(page, 8)
    until(page, SAVED)
    page.key("Tab")
    until(page, "document.activeElement.matches('.picks') && document.querySelectorAll('.pick').length")
    page.key("2")
    numbers = "[...document.querySelectorAll('.pick')].map((one) => Number(one.dataset.number))"
    until(page, "/cold/.test(document.querySelector('.page-line h2').textContent)")
    before, known = page.run(numbers), opened.labels() >= 0
    page.key("ArrowRight")
    page.key("x")
    assert page.run("document.querySelectorAll('.pick')[1].getAttribute('aria-selected')") == "false"
    page.key("Enter")
    until(page, f"{SAVED} && !{numbers}.includes({before[0]})")
    labels = opened.labels()
    assert set(np.flatnonzero((labels == COLD) & ~known)) == set(before) - {before[1]}
    assert labels[before[1]] == -1
    page.key("Backspace")
    until(page, f"{numbers}.includes({before[0]})")
    assert ((opened.labels() >= 0) == known).all()
    assert page.complaints() == []


def test_look_alikes_get_one_label_and_struck_ones_none(opened: Opened) -> None:
    first = int(np.flatnonzero(opened.truth == WARM)[0])
    page = opened.tab(f"label?mode=alike&numbers={first}")
    until(page, "document.querySelectorAll('.pick').length > 3")
    numbers = page.run("[...document.querySelectorAll('.pick')].map((one) => Number(one.dataset.number))")
    assert numbers[0] == first
    page.click(".pick:nth-child(3)")
    page.key("1")
    until(page, f"{SAVED} && document.querySelector('.pick')?.dataset.number !== '{first}'")
    assert set(np.flatnonzero(opened.labels() == WARM)) == set(numbers) - {numbers[2]}


def test_another_tab_does_not_ask_what_was_answered(opened: Opened) -> None:
    page, other = opened.tab(), opened.tab()
    assert shown(page) == shown(other)
    opened.answer(page, 3)
    until(page, SAVED)
    page.call("Page.bringToFront")
    done = set(np.flatnonzero(opened.labels() >= 0))
    other.call("Page.bringToFront")
    until(other, f"!{sorted(map(int, done))}.includes(Number({SHOWN}))")


def test_a_phone_in_chinese_by_touch(opened: Opened) -> None:
    page = opened.tab(width=390, height=844)
    page.run("Object.assign(document.querySelector('.language'), {value: 'zh'}).dispatchEvent(new Event('change'))")
    until(page, "document.querySelector('nav').innerText.includes('标注')")
    until(page, SHOWN)
    before = shown(page)
    page.swipe(".stage", -220)
    until(page, f"{SHOWN} !== '{before}' && {SAVED}")
    assert opened.client.get(f"/api/details?numbers={before}")["photos"][0]["status"] == ["skipped"]
    for place in ("begin", "label", "label?mode=page", "label?mode=alike"):
        page.run(f"location.hash = '#/{place}'")
        page.settle()
        assert page.run("document.documentElement.scrollWidth") == 390, place
        shown_buttons = "[...document.querySelectorAll('main button')].filter((one) => one.offsetParent)"
        assert page.run(f"{shown_buttons}.filter((one) => one.offsetHeight < 24).length") == 0, place
    page.run("localStorage.clear()")

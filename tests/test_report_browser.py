"""The page in a real browser without a window: quiet, alone, usable by mouse and keyboard, and deaf to hostile names."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise

import pytest

from browser import Chromium, Page, found
from finished import HOSTILE, MOVED, Finished
from penult import report

if found() is None:
    pytest.skip("no Chromium here: apt-get install chromium", allow_module_level=True)

WRONG = 2


@pytest.fixture(scope="module")
def page_of_a_run(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of the page of a run with two photos in the wrong folder, one of them of a hostile name."""
    run = finished.copy(tmp_path_factory.mktemp("report") / "copy")
    run.findings(("label", f"cold/{HOSTILE}", "", "0.9", "predicted warm", "move it"))
    alone = run.base / "sent"  # as a reader gets it: the file alone
    alone.mkdir()
    shutil.copy(report.rebuild(run.folder)[0], alone / "report.html")
    return (alone / "report.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as one:
        yield one


@pytest.fixture
def page(browser: Chromium, page_of_a_run: str) -> Page:
    return browser.open(page_of_a_run)


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (1280, True), (390, False)])
def test_it_loads_without_a_complaint_or_a_request(browser: Chromium, page_of_a_run: str, width: int, dark: bool) -> None:
    page = browser.open(page_of_a_run, width=width, dark=dark)
    page.settle()
    assert page.complaints() == []
    assert page.requests() == []
    assert page.run("document.documentElement.scrollWidth") == width  # nothing sticks out
    assert page.run("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    ground = page.run("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 200) is dark
    assert page.run("document.querySelectorAll('h1').length") == 1


def test_a_hostile_name_is_shown_and_not_run(page: Page) -> None:
    page.click("td.wrong button")
    for _ in range(3):
        page.settle()
    assert page.run("document.title").startswith("penult report")
    assert page.run("document.querySelectorAll('[onerror]').length") == 0
    assert HOSTILE in page.run("document.body.innerText")
    assert page.complaints() == []


def test_the_policy_stops_a_script_that_got_into_the_page(page: Page) -> None:
    page.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=\"https://example.org/x.png\" onerror=\"document.title=1\">')"
    )
    page.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'document.title = 2'}))")
    page.settle()
    assert page.run("document.title").startswith("penult report")
    assert any("Content Security Policy" in text for text in page.complaints())


def test_a_cell_opens_its_photos_by_mouse_and_by_key_and_gives_the_focus_back(page: Page) -> None:
    cell = "td.wrong button"
    page.click(cell)
    page.settle()
    assert page.run("document.getElementById('cell').open")
    names = page.run("[...document.querySelectorAll('#cell .file')].map((one) => one.textContent)")
    assert names == [f"cold/{HOSTILE}"]
    assert page.run("document.querySelectorAll('#cell img').length") == 1
    page.key("Escape")
    assert not page.run("document.getElementById('cell').open")
    assert page.run("document.activeElement.dataset.cell") == "0,1"
    page.run("document.querySelector('td.right button').focus()")
    page.key("Enter")
    page.settle()
    assert page.run("document.getElementById('cell').open")
    assert page.run("document.querySelectorAll('#cell figure').length") == 19  # cold: 20, less the one that was moved away
    page.click("#cell .close")
    assert not page.run("document.getElementById('cell').open")


WHERE = """(() => {
  const c = document.getElementById('map-canvas'), r = c.getBoundingClientRect();
  const told = JSON.parse(document.getElementById('photos').textContent);
  const at = (i) => [14 + told.x[i] / 9999 * (r.width - 28), 14 + told.y[i] / 9999 * (r.width - 28)];
  return told.files.map((file, i) => [file, r.x + at(i)[0], r.y + at(i)[1]]);
})()"""


def test_the_map_shows_the_photo_under_the_pointer_and_its_neighbours(page: Page) -> None:
    page.centre("#map-canvas")
    for file, x, y in page.run(WHERE)[:3]:
        page.mouse("mouseMoved", x, y)
        page.settle()
        assert page.run("document.querySelector('#map-panel .file').textContent") == file
        assert page.run("document.querySelectorAll('#map-panel .near button').length") == 5
        assert page.run("document.querySelector('#map-panel img').naturalWidth") == 80
    page.click("#map-panel .near button")
    assert page.run("document.querySelector('#map-panel .file').textContent") != page.run(WHERE)[2][0]


def test_drawing_around_photos_gives_their_list(page: Page) -> None:
    page.centre("#map-canvas")
    places = page.run(WHERE)
    xs, ys = [x for _, x, _ in places], [y for _, _, y in places]
    left, right, top, bottom = min(xs) - 6, max(xs) + 6, min(ys) - 6, max(ys) + 6
    middle = (top + bottom) / 2
    corners = [(left, top), (right, top), (right, middle), (left, middle)]
    page.mouse("mousePressed", *corners[0], "left")
    for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
        for k in range(1, 9):
            page.mouse("mouseMoved", x0 + (x1 - x0) * k / 8, y0 + (y1 - y0) * k / 8, "left")
    page.mouse("mouseReleased", *corners[0], "left")
    page.settle()
    wanted = [file for file, _, y in places if y < middle]
    assert 0 < len(wanted) < len(places)
    assert page.run("document.getElementById('map-files').value").split("\n") == wanted
    assert page.run("document.getElementById('map-count').textContent").startswith(str(len(wanted)))
    page.click("#map-copy")
    page.settle()
    assert page.run("document.getElementById('map-copy').textContent") == "Copied"
    page.click("#map-clear")
    assert page.run("document.getElementById('map-chosen').hidden")


def test_the_map_can_be_walked_by_keys(page: Page) -> None:
    page.run("document.getElementById('map-canvas').focus()")
    page.key("ArrowRight")
    first = page.run("document.querySelector('#map-panel .file').textContent")
    names = {first}
    for name in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.key(name)
        names.add(page.run("document.querySelector('#map-panel .file').textContent"))
    assert len(names) > 1
    page.key("Enter")
    now = page.run("document.querySelector('#map-panel .file').textContent")
    assert page.run("document.getElementById('map-files').value") == now
    page.key("Escape")
    assert page.run("document.getElementById('map-chosen').hidden")


def test_the_next_mistake_is_a_mistake_and_a_class_can_be_taken_off_the_map(page: Page) -> None:
    seen = set()
    for _ in range(WRONG):
        page.click("#map-wrong")
        assert "labelled" in page.run("document.querySelector('#map-panel b').textContent")
        seen.add(page.run("document.querySelector('#map-panel .file').textContent"))
    assert seen == {f"cold/{HOSTILE}", f"warm/{MOVED}"}
    before = page.run("document.getElementById('map-canvas').toDataURL()")
    page.click("#map-legend button")
    page.settle()
    assert page.run("document.querySelector('#map-legend button').getAttribute('aria-pressed')") == "false"
    assert page.run("document.getElementById('map-canvas').toDataURL()") != before


def test_every_control_has_a_name_and_every_picture_a_text(page: Page) -> None:
    nameless = """[...document.querySelectorAll('button, canvas, a, dialog, textarea')].filter((one) =>
        !(one.getAttribute('aria-label') || one.getAttribute('aria-labelledby') || one.textContent.trim())).length"""
    assert page.run(nameless) == 0
    assert page.run("[...document.images].every((one) => one.alt)")
    levels = page.run("[...document.querySelectorAll('h1,h2,h3')].map((one) => Number(one.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_without_script_the_facts_are_there(browser: Chromium, page_of_a_run: str) -> None:
    page = browser.open(page_of_a_run, script=False)
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    said = " ".join(str(node.get("name", {}).get("value", "")) for node in tree)
    for fact in (
        "accuracy on held-out photos",
        "What to do next",
        "Per-class results",
        "Run details",
        "map.csv",
        HOSTILE,
    ):
        assert fact in said, fact
    assert "Lasso" not in said  # what needs the script is not offered


def test_it_prints_on_paper(page: Page) -> None:
    page.call("Emulation.setEmulatedMedia", media="print")
    page.settle()
    shown = "getComputedStyle(document.querySelector('{}')).display"
    assert [page.run(shown.format(name)) for name in (".tools", ".contents", "#map-all", "dialog")] == ["none"] * 4
    assert page.run(shown.format("#map .still")) == "block" and page.run("document.querySelector('.still').clientHeight") > 100
    pdf = base64.b64decode(page.call("Page.printToPDF", printBackground=True)["data"])
    assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", pdf)) <= 8


def test_a_photo_opens_larger_by_mouse_and_key_and_gives_the_focus_back(page: Page) -> None:
    page.click("#mistakes .open")
    page.settle()
    assert page.run("document.getElementById('zoom').open")
    first = page.run("document.querySelector('#zoom-photo img').alt")
    width = "document.querySelector('#zoom-photo img').clientWidth > document.querySelector('#mistakes .open img').clientWidth"
    assert page.run(width)
    page.key("ArrowRight")
    assert page.run("document.querySelector('#zoom-photo img').alt") != first
    page.key("ArrowLeft")
    assert page.run("document.querySelector('#zoom-photo img').alt") == first
    page.key("Escape")
    assert not page.run("document.getElementById('zoom').open")
    assert page.run("document.activeElement.className").startswith("open")
    page.key("Enter")
    assert page.run("document.getElementById('zoom').open")
    assert page.complaints() == []


def test_mistakes_and_findings_can_be_taken_off_the_map(page: Page) -> None:
    page.centre("#map-canvas")
    before = page.run("document.getElementById('map-canvas').toDataURL()")
    for look in (".mistake", ".finding"):
        page.click(f"#map-legend {look}")
        page.settle()
        assert page.run(f"document.querySelector('#map-legend {look}').getAttribute('aria-pressed')") == "false"
        after = page.run("document.getElementById('map-canvas').toDataURL()")
        assert after != before
        before = after

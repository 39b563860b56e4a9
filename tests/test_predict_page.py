"""The page of `penult predict --html` in a real browser: quiet, alone, filtered and turned, deaf to hostile names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from browser import Chromium, Page, found
from conftest import draw
from finished import HOSTILE, Finished
from penult.cli import main

if found() is None:
    pytest.skip("no Chromium here: apt-get install chromium", allow_module_level=True)


@pytest.fixture(scope="module")
def address(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page of 64 photos, one of a hostile name and one that cannot be read."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("answers")
    photos = folder / "new"
    photos.mkdir()
    for i in range(62):
        Image.fromarray(draw("warm" if i % 3 else "cold", 400 + i)).save(photos / f"{i}.png")
    Image.fromarray(draw("any", 1)).save(photos / HOSTILE)
    (photos / "bad.jpg").write_bytes(b"no picture")
    assert main(["predict", str(finished.folder), str(photos), "--html", str(folder / "page.html"), "--heat", "2", "-q"]) == 0
    return (folder / "page.html").as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as one:
        yield one


@pytest.mark.parametrize(("width", "dark"), [(1280, True), (390, False)])
def test_it_loads_without_a_complaint_or_a_request(browser: Chromium, address: str, width: int, dark: bool) -> None:
    page = browser.open(address, width=width, dark=dark)
    page.settle()
    assert (page.complaints(), page.requests()) == ([], [])
    assert page.run("document.documentElement.scrollWidth") == width
    assert page.run("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
    assert (
        page.run("document.title").startswith("penult predictions: ")
        and page.run("document.querySelectorAll('li').length") == 60
    )
    assert page.run("[...document.querySelectorAll('select, input')].every((one) => one.labels.length === 1)")


def chosen(page: Page, name: str, value: str) -> str:
    """Choose in one of the tools; return what is said of the number of photos."""
    event = "input" if name == "file" else "change"
    place = f"document.getElementById('filter-{name}')"
    page.run(f"{place}.value = '{value}'; {place}.dispatchEvent(new Event('{event}'))")
    return str(page.run("document.getElementById('found').textContent"))


def test_photos_are_filtered_sorted_and_turned(browser: Chromium, address: str) -> None:
    page = browser.open(address)
    first: Callable[[], str] = lambda: page.run("document.querySelector('#cards .file').textContent")  # noqa: E731
    page.run("document.getElementById('page-on').click()")
    assert page.run("document.getElementById('page-at').textContent") == "61–64 of 64"
    assert chosen(page, "sort", "file") == "64 photos" and first() == HOSTILE
    assert chosen(page, "file", "bad") == "1 photo"
    assert page.run("document.querySelector('#cards b').textContent") == "unreadable"
    assert chosen(page, "file", "nothing") == "No photo is like that."
    chosen(page, "file", "")
    every = int(chosen(page, "class", "0").split()[0]) + int(chosen(page, "class", "1").split()[0])
    assert every == 63
    page.run("document.querySelector('[data-class=\"0\"]').click()")
    assert page.run("document.getElementById('filter-class').value") == "0"


def test_a_photo_opens_by_keyboard_with_its_heat_map_and_goes_on_by_arrows(browser: Chromium, address: str) -> None:
    page = browser.open(address)
    chosen(page, "kind", "heat")
    page.run("document.querySelector('#cards button').focus()")
    page.key("Enter")
    assert page.run("document.getElementById('photo').open")
    plain = page.run("document.querySelector('#photo-picture img').src")
    page.run("document.getElementById('photo-heat').click()")
    assert page.run("document.querySelector('#photo-picture img').src") != plain
    title = page.run("document.getElementById('photo-title').textContent")
    page.key("ArrowRight")
    assert page.run("document.getElementById('photo-title').textContent") != title and ", photo 2 of 2" not in title
    page.key("Escape")
    assert not page.run("document.getElementById('photo').open")
    assert page.run("document.title").startswith("penult predictions")  # the hostile name would have set another

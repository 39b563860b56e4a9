"""The page of the server in a real browser: it asks for the token, sends photos, and shows what it is told as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from browser import Chromium, found
from penult.bundle import save_bundle
from serving import MADE, NEEDED, SlowPredictor, running
from test_export import model
from test_export_page import until

pytestmark = [NEEDED, pytest.mark.skipif(found() is None, reason="no Chromium here")]

TOKEN = "a-token-of-enough-letters"


def test_photos_are_answered_on_the_page_once_the_token_is_given(tmp_path: Path) -> None:
    save_bundle(tmp_path / "m.penult", replace(model(), classes=("<b>cat</b>", "dog", "=1+1")))
    models = {"one": tmp_path / "m.penult", "two": tmp_path / "m.penult"}
    Image.new("RGB", (50, 40), (20, 200, 30)).save(tmp_path / "photo.png")
    (tmp_path / "bad<i>.jpg").write_bytes(b"bad")
    with running(models, SlowPredictor, token=TOKEN) as client, Chromium() as browser:
        for made in MADE:
            made.go.set()
        tab = browser.open(client.server.address)
        wrong = "/wrong/.test(document.getElementById('status').textContent)"
        for token, after in (("wrong", wrong), (TOKEN, "document.body.dataset.ready")):
            tab.run(until("!document.getElementById('access').hidden"))
            tab.run(f"document.getElementById('token').value = '{token}'")
            tab.click("#access button")
            tab.run(until(after))
        assert tab.run("document.querySelector('h1').textContent") == "Which is it: <b>cat</b>, dog or =1+1?"
        root = tab.call("DOM.getDocument")["root"]["nodeId"]
        chosen = tab.call("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
        tab.call("DOM.setFileInputFiles", files=[str(tmp_path / "photo.png"), str(tmp_path / "bad<i>.jpg")], nodeId=chosen)
        tab.run(until("/2 photos answered/.test(document.getElementById('status').textContent)"))
        good, bad = tab.run("[...document.querySelectorAll('.card')].map((card) => card.innerText)")
        assert "<b>cat</b>" in good and "80.0%" in good and "Unlike the training photos" in good
        assert "bad<i>.jpg" in bad and "cannot be read: truncated" in bad
        tab.run("document.getElementById('model').value = 'two'")
        tab.run("document.getElementById('model').dispatchEvent(new Event('change'))")
        assert tab.run("document.querySelectorAll('.card').length") == 0
        assert all(url.startswith((client.server.address, "blob:")) for url in tab.requests())
        assert all("401" in said or "422" in said for said in tab.complaints())

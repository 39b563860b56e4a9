"""A real browser without a window, driven over its own DevTools pipe: nothing to install besides Chromium itself.

`Chromium()` as a `with` block; `open(url)` gives a `Page`. What the page logs, throws and asks the network for is kept.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--force-color-profile=srgb", "--remote-debugging-pipe",
)  # fmt: skip
PATIENCE = 60  # seconds


def found() -> str | None:
    """Return the path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


class Chromium:
    """A browser with a profile of its own, which is gone afterwards."""

    def __init__(self) -> None:
        self._profile = tempfile.mkdtemp(prefix="penult-chromium-")
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 20) for fd in (theirs_in, theirs_out)]

        def hand_over() -> None:  # the browser listens on 3 and answers on 4
            os.dup2(high[0], 3)
            os.dup2(high[1], 4)

        self._process = subprocess.Popen(
            [str(found()), *FLAGS, f"--user-data-dir={self._profile}", "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=hand_over, close_fds=False,  # noqa: PLW1509
        )  # fmt: skip
        for fd in (theirs_in, theirs_out, *high):
            os.close(fd)
        self._in, self._out = os.fdopen(ours_in, "rb", 0), os.fdopen(ours_out, "wb", 0)
        self._rest, self._number = b"", 0
        self.events: list[dict[str, Any]] = []

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        self._in.close()
        self._out.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        """Send one command and return its result; what happens meanwhile is kept in `events`."""
        self._number += 1
        wanted = self._number
        message = {"id": wanted, "method": method, "params": params} | ({"sessionId": session} if session else {})
        self._out.write(json.dumps(message).encode() + b"\0")
        while True:
            heard = self._hear()
            if heard.get("id") == wanted:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']}")
                return heard["result"]
            self.events.append(heard)

    def _hear(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            data = os.read(self._in.fileno(), 1 << 20)
            if not data:
                raise RuntimeError("Chromium went away")
            self._rest += data
        one, _, self._rest = self._rest.partition(b"\0")
        return json.loads(one)

    def open(self, url: str, **look: Any) -> Page:
        """Open a page in a tab of its own; `look`: width, height, dark, script, scale."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session, url, **look)


class Page:
    """One tab."""

    def __init__(
        self, browser: Chromium, session: str, url: str,
        width: int = 1280, height: int = 900, dark: bool = False, script: bool = True, scale: float = 1.0,
    ) -> None:  # fmt: skip
        self._browser, self._session = browser, session
        self._from = len(browser.events)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        if not script:
            self.call("Emulation.setScriptExecutionDisabled", value=True)
        self.call("Page.navigate", url=url)
        self._until_loaded()

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command to this tab."""
        return self._browser.call(method, self._session, **params)

    def _until_loaded(self) -> None:
        for _ in range(PATIENCE * 10):
            if any(e.get("method") == "Page.loadEventFired" for e in self._own()):
                return
            self.call("Page.getLayoutMetrics")
            time.sleep(0.1)
        raise RuntimeError("the page did not load")

    def _own(self) -> list[dict[str, Any]]:
        return [e for e in self._browser.events[self._from :] if e.get("sessionId") == self._session]

    def run(self, code: str) -> Any:
        """Return what a piece of JavaScript gives, once it has it."""
        got = self.call("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, userGesture=True)
        if "exceptionDetails" in got:
            raise RuntimeError(str(got["exceptionDetails"]))
        return got["result"].get("value")

    def settle(self) -> None:
        """Wait until two frames are drawn."""
        self.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def complaints(self) -> list[str]:
        """Return every error, warning and exception that the page gave rise to."""
        said = []
        for event in self._own():
            what, about = event.get("method"), event.get("params", {})
            if what == "Runtime.exceptionThrown":
                said.append(str(about["exceptionDetails"]))
            elif what == "Log.entryAdded" and about["entry"]["level"] in ("error", "warning"):
                said.append(about["entry"]["text"])
            elif what == "Runtime.consoleAPICalled" and about["type"] in ("error", "warning", "assert"):
                said.append(str(about["args"]))
        return said

    def requests(self) -> list[str]:
        """Return every address that the page asked for, besides its own and data that it holds itself."""
        asked = [e["params"]["request"]["url"] for e in self._own() if e.get("method") == "Network.requestWillBeSent"]
        return [url for url in asked[1:] if not url.startswith("data:")]

    def centre(self, selector: str) -> tuple[float, float]:
        """Scroll an element into view and return the middle of it."""
        code = (
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            " e.scrollIntoView({block: 'center', behavior: 'instant'});"
            " const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        x, y = self.run(code)
        return x, y

    def mouse(self, kind: str, x: float, y: float, button: str = "none") -> None:
        """Send one mouse event: mouseMoved, mousePressed or mouseReleased."""
        count = 0 if kind == "mouseMoved" else 1
        buttons = 1 if button == "left" and kind != "mouseReleased" else 0
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=buttons, clickCount=count)

    def click(self, selector: str) -> None:
        """Click the middle of an element."""
        x, y = self.centre(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, "left")

    def key(self, name: str, text: str = "", *modifiers: str) -> None:
        """Press a key: `Enter`, `ArrowRight`, `Space`, `a`, `7`; with `Shift`, `Control`, `Alt` or `Meta` held."""
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "Backspace": 8, "Home": 36, "End": 35}
        codes |= {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
        known = {"key": name, "code": name, "windowsVirtualKeyCode": codes.get(name, 0)}
        if name == "Space" or len(name) == 1:
            sign = " " if name == "Space" else name
            kind = "Digit" if sign.isdigit() else "Key" if sign.isalpha() else ""
            known = {"key": sign, "code": kind + sign.upper() if kind else name, "windowsVirtualKeyCode": ord(sign.upper())}
            text = text or (sign if not set(modifiers) & {"Control", "Alt", "Meta"} else "")
        text = "\r" if name == "Enter" else text
        held = sum({"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}[one] for one in modifiers)
        self.call("Input.dispatchKeyEvent", type="keyDown", modifiers=held, **known, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", modifiers=held, **known)

    def type(self, text: str) -> None:
        """Put text where the focus is, as typing it does."""
        self.call("Input.insertText", text=text)

    def swipe(self, selector: str, right: float) -> None:
        """Drag a finger across the middle of an element, by so many pixels to the right."""
        x, y = self.centre(selector)
        self.call("Emulation.setTouchEmulationEnabled", enabled=True)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x - right / 2, "y": y}])
        for share in (-0.25, 0.0, 0.25, 0.5):
            self.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[{"x": x + share * right, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def offline(self, yes: bool) -> None:
        """Cut the tab off from the network, or let it back."""
        self.call("Network.emulateNetworkConditions", offline=yes, latency=0, downloadThroughput=-1, uploadThroughput=-1)

    def shot(self, path: Path, whole: bool = False, top: int = 0, height: int | None = None) -> None:
        """Write what is seen, or the whole page, as PNG."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = None
        if whole or top or height:
            clip = {"x": 0, "y": top, "width": size["width"], "height": height or size["height"] - top, "scale": 1}
        got = self.call(
            "Page.captureScreenshot", format="png", captureBeyondViewport=bool(clip), **({"clip": clip} if clip else {})
        )
        path.write_bytes(base64.b64decode(got["data"]))

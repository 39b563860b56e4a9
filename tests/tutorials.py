"""Run the code of the tutorials, each page in an empty folder: `python tests/tutorials.py [--lang zh] [NAME ...]`.

A page says to its reader what to do in fences; this script does the same:

    ```sh        run by bash; an error ends the page
    ```python    run in one interpreter per page, so that names stay
    ```text      behind one of these: what it prints. Words to the letter, numbers within `near`, `...` for any text or lines
    ```console   shown, not run (what needs Kaggle's data, another machine ...); tests/test_tutorials.py parses its commands
    ```py        shown, not run (code of 2017)
    ```yaml      shown, not run (a file of settings)

and in comments, which no reader sees:

    <!-- check: PYTHON -->          run in the page's interpreter; `said` is what the last block printed
    <!-- background: URL -->        the next block goes on running until the page ends; go on when URL answers, or,
    <!-- background: WORDS -->      when it has printed the words; its output is in the file `background`
    <!-- needs: MODULE -->          the next block is left out where the module (or `npm`, the registry) is not there

The page says `**N seconds**`; taking longer, and more of a processor, is an error, except with --any-time.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGES = ROOT / "docs" / "tutorials"
ORDER = ("blog2017", "quality-control", "kaggle", "label-500", "model-to-web-page", "ten-million")
FENCE = re.compile(
    r"<!-- (?P<word>check|background|needs):\s(?P<said>.*?)\s-->|^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
NUMBER = re.compile(r"(\d[\d,]*(?:\.\d+)?%?)")
PATIENCE = 120  # seconds that a background block may take to answer


class Wrong(Exception):
    """A block does not do what its page says."""


@dataclass(frozen=True)
class Block:
    """One fence, or one comment for this script."""

    kind: str
    code: str
    line: int


def blocks(text: str) -> list[Block]:
    """Return what a page has, in order."""
    found = []
    for one in FENCE.finditer(text):
        found.append(
            Block(one["word"] or one["language"], one["said"] or one["code"] or "", text[: one.start()].count("\n") + 1)
        )
    return found


def near(stated: str, seen: str) -> bool:
    """Return whether two numbers may be told as one: another machine moves a score a little."""
    a, b = (float(one.rstrip("%").replace(",", "")) for one in (stated, seen))
    if stated.endswith("%") != seen.endswith("%"):
        return False
    if stated.endswith("%"):
        return abs(a - b) <= 4
    if "." in stated or "." in seen:
        return abs(a - b) <= max(0.04, 0.25 * max(abs(a), abs(b)))
    return abs(a - b) <= max(4, 0.15 * max(abs(a), abs(b)))


def same(stated: str, seen: str) -> bool:
    """Return whether a stated line is the one that was printed."""
    stated, seen = " ".join(stated.split()), " ".join(seen.split())
    parts = [NUMBER.split(part) for part in stated.split("...")]
    pattern = ".*".join(
        "".join(f"({NUMBER.pattern[1:-1]})" if i % 2 else re.escape(p) for i, p in enumerate(part)) for part in parts
    )
    match = re.fullmatch(pattern, seen)
    numbers = [p for part in parts for p in part[1::2]]
    return match is not None and all(near(a, b) for a, b in zip(numbers, match.groups(), strict=True))


def holds(stated: list[str], seen: list[str]) -> bool:
    """Return whether the stated lines were printed, one behind the other; a line `...` stands for any number of lines."""
    reached = set(
        range(len(seen) + 1)
    )  # where the printed lines may go on; output before the first stated line is not looked at
    for line in stated:
        if line.strip() == "...":
            reached = set(range(min(reached, default=len(seen) + 1), len(seen) + 1))
        else:
            reached = {i + 1 for i in reached if i < len(seen) and same(line, seen[i])}
    return bool(reached)


@functools.cache
def has(name: str) -> bool:
    """Return whether a module is installed, or npm's registry answers."""
    if name != "npm":
        return importlib.util.find_spec(name) is not None
    with contextlib.suppress(OSError), socket.create_connection(("registry.npmjs.org", 443), 5):
        return True
    return False


class Session:
    """The shell and the interpreter of one page, in a folder of its own."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.said, self.background = "", list[subprocess.Popen[bytes]]()
        self._python = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve()), "--kernel"], cwd=folder, env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def do(self, block: Block) -> None:
        """Do one block and keep what it printed."""
        if block.kind == "sh":
            done = subprocess.run(
                ["bash", "-euc", block.code], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            )  # fmt: skip
            self.said = done.stdout
            if done.returncode:
                raise Wrong(f"exit code {done.returncode}\n{self.said}")
        elif block.kind in ("python", "check"):
            answer = self._ask(block.code)
            if block.kind == "python":
                self.said = answer["said"]
            if answer["error"]:
                raise Wrong(f"{answer['said']}\n{answer['error']}")
        elif block.kind == "text" and not holds(block.code.splitlines(), self.said.splitlines()):
            raise Wrong(f"it was printed\n{self.said}")

    def _ask(self, code: str) -> dict[str, Any]:
        assert self._python.stdin and self._python.stdout
        self._python.stdin.write(json.dumps({"code": code, "said": self.said}) + "\n")
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        if not answer:
            raise Wrong("the interpreter ended")
        return dict(json.loads(answer))

    def start(self, block: Block, sign: str) -> None:
        """Start a block that goes on running; go on at the sign that it is there."""
        command = block.code if "\n" in block.code.strip() else f"exec {block.code}"
        with (self.folder / "background").open("wb") as log:
            one = subprocess.Popen(
                ["bash", "-euc", command], cwd=self.folder, env=self.environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.background.append(one)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and one.poll() is None:
            if self._there(sign):
                return
            time.sleep(0.1)
        raise Wrong(f"no sign of {sign}\n{(self.folder / 'background').read_text(errors='replace')}")

    def _there(self, sign: str) -> bool:
        if not sign.startswith("http"):
            return sign in (self.folder / "background").read_text(encoding="utf-8", errors="replace")
        with contextlib.suppress(OSError), urllib.request.urlopen(sign, timeout=5):
            return True
        return False

    def close(self) -> None:
        """End what is running."""
        for one in self.background:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(one.pid, signal.SIGTERM)
        for one in (*self.background, self._python):
            for pipe in (one.stdin, one.stdout):
                if pipe:
                    pipe.close()
            try:
                one.wait(30)
            except subprocess.TimeoutExpired:
                one.kill()


def kernel() -> None:
    """Run the Python blocks that come as JSON lines, in one namespace, and answer each with what it printed."""
    names: dict[str, Any] = {"__name__": "tutorial"}
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        asked, said, error = json.loads(line), io.StringIO(), ""
        names["said"] = asked["said"]
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                exec(compile(asked["code"], "block", "exec"), names)
        except BaseException:
            error = traceback.format_exc()
        answers.write(json.dumps({"said": said.getvalue(), "error": error}) + "\n")
        answers.flush()


def environment_of(cache: Path) -> dict[str, str]:
    """Return the variables of a page's programs: nothing of ours, and the feature cache that the pages share."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ours = {k: v for k, v in os.environ.items() if not k.startswith("PENULT_")}
    fixed = {
        "PENULT_CACHE": str(cache),
        "PENULT_LANG": "en",
        "PENULT_CONFIG": "",
        "PENULT_STUDIO_NO_BROWSER": "1",
        "COLUMNS": "100",
        "MPLBACKEND": "agg",
    }
    return ours | fixed | {"PATH": path, "PYTHONUNBUFFERED": "1"}


def run(page: Path, folder: Path, cache: Path) -> list[str]:
    """Do a page in a folder; return the blocks that were left out."""
    shutil.copy(PAGES / "photos.py", folder)
    session, left_out = Session(folder, environment_of(cache)), []
    sign = missing = skipping = ""
    try:
        for block in blocks(page.read_text(encoding="utf-8")):
            if block.kind == "background":
                sign = block.code
            elif block.kind == "needs":
                missing = "" if has(block.code) else block.code
            elif block.kind in ("sh", "python") and missing:  # with it go its output and its checks
                left_out.append(f"line {block.line}, which needs {missing}")
                missing, skipping = "", missing
            elif block.kind in ("text", "check") and skipping:
                continue
            elif block.kind != "console":
                skipping = skipping if block.kind in ("text", "check") else ""
                try:
                    session.start(block, sign) if sign else session.do(block)
                except Wrong as wrong:
                    raise Wrong(f"{page.name}, line {block.line}:\n{block.code}\n{wrong}") from None
                sign = ""
    finally:
        session.close()
    return left_out


def stated_seconds(text: str) -> int:
    """Return the time that a page says."""
    found = re.search(r"\*\*(\d+) (?:seconds|秒)\*\*", text)
    if found is None:
        raise Wrong("the page does not say its time: **N seconds**")
    return int(found[1])


def cpu_seconds() -> float:
    """Return the processor time of all programs of the pages that have ended."""
    return sum(os.times()[2:4])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", metavar="NAME", help=f"default: all of {', '.join(ORDER)}")
    parser.add_argument("--lang", choices=("en", "zh"), default="en", help="the English or the Chinese pages")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where the folders of the pages are to stay")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="feature cache (default: an empty one, as a reader has it)")
    parser.add_argument("--any-time", action="store_true", help="do not hold the pages to their stated times")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="penult-tutorials-") as scratch:
        began = time.monotonic()
        for name in asked.pages or ORDER:
            page = PAGES / (f"{name}.md" if asked.lang == "en" else f"{name}.zh.md")
            folder = (asked.keep or Path(scratch)) / name
            folder.mkdir(parents=True)
            start, work = time.monotonic(), cpu_seconds()
            try:
                left_out = run(page, folder, asked.cache or Path(scratch) / "cache")
                took, used = time.monotonic() - start, cpu_seconds() - work
                stated = stated_seconds(page.read_text(encoding="utf-8"))
                if min(took, used) > stated and not asked.any_time:  # on a machine that others share, what it computed counts
                    raise Wrong(f"{page.name}: {took:.0f} seconds, {used:.0f} of a processor, and it says {stated}")
            except Wrong as wrong:
                raise SystemExit(f"tutorials: {wrong}") from None
            left = "".join(f"; left out: {one}" for one in left_out)
            print(f"{page.name}: {took:.0f} s (it says {stated}), {used:.0f} s of a processor{left}", flush=True)
        print(f"all: {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    kernel() if sys.argv[1:] == ["--kernel"] else main()

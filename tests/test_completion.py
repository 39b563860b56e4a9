"""The Tab key: the right words, and no heavy import while a shell waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penult import backbones, heads, pixels, zoo
from penult.cli import completion
from test_imports_are_light import HEAVY


def offered(line: str, folder: Path) -> list[str]:
    """Return what a shell is offered after `line`, by the protocol of argcomplete."""
    answer = folder / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_SHELL": "bash",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    code = "from penult.cli import main; main()"
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=folder, check=True, capture_output=True)
    return [word.strip() for word in answer.read_text().split("\n")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("penult ", {"train", "predict", "evaluate", "embed", "compare", "backbones", "demo", "doctor", "cache"}),
        ("penult train --he", {"--head", "--help"}),
        ("penult train --head ", set(heads.head_names())),
        ("penult train -b efficientnet_lite", {f"efficientnet_lite{i}" for i in range(3)}),
        ("penult train --precision ", {"auto", "f32", "bf16", "int8"}),
        ("penult cache --", {"--verify", "--prune", "--older", "--max", "--backbone", "--all", "--dry-run"}),
        ("penult cache --prune --backbone eff", {"efficientnet_lite1"}),
        ("penult doctor --", {"--offline", "--json", "--cache"}),
        ("penult backbones --fetch ", {"blog2017", "modern", "lite"}),
    ],
)
def test_what_may_come_next_is_offered(line: str, words: set[str], tmp_path: Path) -> None:
    assert words <= set(offered(line, tmp_path))


def test_files_are_offered_where_a_path_may_stand(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "net.onnx").touch()
    assert "photos/" in offered("penult train ph", tmp_path)
    assert "net.onnx" in offered("penult train x -b ne", tmp_path)


def test_the_words_are_those_that_there_are() -> None:
    assert set(completion.BUILT_IN) == set(backbones.builtin_names())
    assert set(completion.PRESETS) == set(zoo.PRESETS)
    assert completion.FITS == pixels.CROP_MODES
    assert {str(number): mode for number, mode in pixels.VIEWS.items()} == completion.VIEWS


def test_a_shell_does_not_wait_for_heavy_imports(tmp_path: Path) -> None:
    code = (
        "import os, sys, atexit\n"
        f"leave, heavy = os._exit, {HEAVY!r}\n"
        "def seen(code):\n    open('heavy', 'w').write(' '.join(m for m in heavy if m in sys.modules))\n    leave(code)\n"
        "os._exit = seen\nfrom penult.cli import main; main()"
    )
    line = "penult train -b eff"
    asked = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "answer"), "COMP_LINE": line}
    environment = {**os.environ, **asked, "COMP_POINT": str(len(line))}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, capture_output=True)
    assert "efficientnet_lite0" in (tmp_path / "answer").read_text()
    assert (tmp_path / "heavy").read_text() == ""

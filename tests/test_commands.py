"""The command line as a whole: help, groups of options, mistakes in the words, files and variables with options."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from finished import Finished, finish, lay_out
from penult.cli import COMMANDS, build, config, main
from penult.cli.parser import GROUPS, Parser

Photos = Callable[..., Path]
Captured = pytest.CaptureFixture[str]
NAMES = sorted(build().commands())


def command(name: str) -> Parser:
    return build().commands()[name]


def run(capsys: Captured, *words: object) -> tuple[int, str, str]:
    try:
        code = main([str(word) for word in words])
    except SystemExit as end:
        code = int(end.code or 0)
    said = capsys.readouterr()
    return code, said.out, said.err


def test_penult_alone_and_help_show_every_command(capsys: Captured) -> None:
    shown = [run(capsys, *words) for words in ((), ("help",), ("--help",))]
    assert shown[0] == shown[1] == shown[2]
    code, out, err = shown[0]
    assert (code, err) == (0, "")
    assert all(f"\n{title}:\n" in out for title in COMMANDS)
    assert re.findall(r"^  ([a-z]+)  ", out, re.MULTILINE) == [
        module.__name__.rpartition(".")[2] for modules in COMMANDS.values() for module in modules
    ]


def test_help_of_a_command_is_its_help(capsys: Captured) -> None:
    assert run(capsys, "help", "predict") == run(capsys, "predict", "--help")


@pytest.mark.parametrize("name", NAMES)
def test_every_option_stands_in_a_group(name: str) -> None:
    p = command(name)
    titles = {id(action): group.title for group in p._action_groups for action in group._group_actions}
    for action in p._actions:
        assert titles[id(action)] in (GROUPS if action.option_strings else ("Arguments",)), action.option_strings
        assert action.help, action.dest


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_that_is_understood(name: str) -> None:
    examples = str(command(name).epilog).removeprefix("Examples:\n").splitlines()
    ours = [line.strip() for line in examples if f"penult {name}" in line]
    assert ours
    for line in ours:
        words = shlex.split(re.split(r" {2,}|[|)]| >", line)[0].partition("penult ")[2])
        build().parse_args(words)


@pytest.mark.parametrize("width", [66, 80, 200])
def test_help_is_never_wider_than_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    pages = [build().format_help(), *(p.format_help() for p in build().commands().values())]
    widest = max((line for page in pages for line in page.splitlines()), key=len)
    assert len(widest) <= width, widest
    assert width < 200 or len(widest) <= 100
    assert not [line for page in pages for line in page.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trian", "x"], "unknown command 'trian'; did you mean train?"),
        (["help", "trian"], "unknown command 'trian'; did you mean train?"),
        (["train", "x", "--bakcbone", "y"], "unknown option '--bakcbone'; did you mean --backbone?"),
        (["train", "x", "--backb=y"], "did you mean --backbone?"),  # options are not abbreviated
        (["train", "--clas-weight"], "--class-weight"),  # before what else is missing
        (["train", "x", "-x"], "unknown option '-x'"),
        (["predict", "m", "i", "--device", "gpu"], "argument --device: invalid choice: 'gpu'"),
        (["report", "run", "two"], "not expected: two"),
        (["embed", "x"], "required: -o/--out"),
        (["train", "x", "-q", "-v"], "not allowed with"),
    ],
)
def test_a_mistake_in_the_words_shows_the_short_usage_of_the_command(words: list[str], says: str, capsys: Captured) -> None:
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    usage, error, more = err.splitlines()
    name = words[0] if words[0] in NAMES else "COMMAND"
    assert usage.startswith(f"usage: penult {name}") and len(usage) < 80
    assert says in error
    assert more.startswith("more: penult")


def test_a_file_that_looks_like_an_option_is_told_how_to_be_given(in_folder: Path, capsys: Captured) -> None:
    (in_folder / "-photo.jpg").touch()
    assert "write ./-photo.jpg" in run(capsys, "predict", "run", "-photo.jpg")[2]


SMALL = ("train", "photos", "-b", "colour_histogram", "--head", "centroid")


@pytest.fixture
def configured(photos: Photos, in_folder: Path) -> Path:
    """A working folder inside a repository, with photos; return the folder above it."""
    photos("work/photos", warm=6, cold=6)
    (in_folder / ".git").mkdir()
    return in_folder


def options_of(words: tuple[str, ...], capsys: Captured) -> dict[str, Any]:
    """Return what a run says of its options, out of how it was refused or of its facts."""
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)["options"]
    return found


def test_defaults_file_variables_and_the_command_line_in_this_order(
    configured: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(configured / "work")
    file = configured / "penult.toml"
    file.write_text(
        'seed = 1\n[train]\nhead = "lda"\nseed = 2\nbackbone = ["lite"]\nnear_duplicates = "separate"\nstrict = true'
    )
    monkeypatch.setenv("PENULT_SEED", "3")
    found = options_of(SMALL, capsys)
    assert (found["head"], found["seed"], found["near_duplicates"]) == ("centroid", 3, "separate")
    assert found["backbones"] == ["colour_histogram"]
    assert found["configured"] == {"--seed=3": "PENULT_SEED", "--near-duplicates=separate": str(file), "--strict": str(file)}
    monkeypatch.setenv("PENULT_TRAIN_SEED", "4")
    assert options_of(SMALL, capsys)["seed"] == 4
    assert options_of((*SMALL, "--seed", "5"), capsys)["seed"] == 5
    assert options_of((*SMALL, "--no-config"), capsys)["configured"] == {}
    report = (configured / "work" / "penult-run.1" / "report.html").read_text(encoding="utf-8")
    assert "--near-duplicates=separate --strict" in report  # the line that makes the run again


def test_the_file_of_the_working_folder_counts_first_and_none_above_the_repository(
    configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above, here = configured / "penult.toml", configured / "work" / "pyproject.toml"
    here.write_text("[project]\nname = 'x'")
    assert config.find_file(configured / "work") is None
    above.touch()
    assert config.find_file(configured / "work") == above
    here.write_text("[tool.penult]\ndevice = 'cpu'")
    assert config.find_file(configured / "work") == here
    (configured / "work" / ".git").mkdir()
    here.unlink()
    assert config.find_file(configured / "work") is None
    (configured / ".git").rmdir()
    (configured / "work" / ".git").rmdir()
    assert config.find_file(configured / "work") is None  # no repository: the working folder alone


def test_what_was_configured_is_told_where_it_fails_and_with_v(
    configured: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("PENULT_HAED", "svm")
    (configured / "penult.toml").write_text('device = "cuad"\n[predict]\nhaed = 1')
    assert "unknown option 'haed'" in run(capsys, "train", "x")[2]  # of another command
    (configured / "penult.toml").write_text('device = "cuad"')
    assert f"(--device=cuad was set by {configured / 'penult.toml'})" in run(capsys, "train", "x")[2]
    (configured / "penult.toml").write_text('[train]\nhead = "svn"\nfit = "crop"')
    words = ("train", "work/photos", "-b", "colour_histogram", "--views", "2")
    code, out, err = run(capsys, *words, "-v")
    assert (code, out) == (1, "")
    assert "--head=svn (set by " in err and "PENULT_HAED is no option" in err
    assert "--fit" not in err  # --views says the same thing
    assert "(--head=svn was set by" in err.splitlines()[-1]
    assert run(capsys, "help", "train")[0] == run(capsys, "train", "--help")[0] == 0


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    base = tmp_path_factory.mktemp("info") / "base"
    lay_out(base / "train", warm=7, cold=8)
    return finish(base, test=False, head="centroid")


def test_info_is_the_card_of_a_model_in_its_run_and_outside_of_it(trained: Finished, tmp_path: Path, capsys: Captured) -> None:
    shutil.copy(trained.folder / "model.penult", tmp_path / "moved.penult")
    kept = trained.metrics
    here, moved = (json.loads(run(capsys, "info", path, "--json")[1]) for path in (trained.folder, tmp_path / "moved.penult"))
    for told in (here, moved):
        assert told["classes"] == [{"name": "cold", "photos": 8}, {"name": "warm", "photos": 7}]
        assert (told["task"], told["trained_on"], told["bytes"]) == ("classes", 15, (tmp_path / "moved.penult").stat().st_size)
        assert told["networks"][0]["name"] == "colour_histogram" and told["networks"][0]["features"] == told["features"]
        assert told["head"]["head"] == "centroid"
        assert told["digests"] == kept["digests"]
        assert told["scores"]["accuracy"] == kept["scores"]["scores"]["accuracy"]
        assert told["decision"]["gives"] == "the most probable class"
        assert told["prior"] == pytest.approx({"cold": 8 / 15, "warm": 7 / 15})
        assert told["versions"]["penult"] == kept["penult"]
    assert here["date"] == kept["when"]["ended"] and here["verdict"] == kept["verdict"]
    assert moved["date"] is None and moved["verdict"] is None  # metrics.json is not beside it
    code, out, err = run(capsys, "info", tmp_path / "moved.penult")
    assert (code, err) == (0, "")
    assert "classes     cold 8, warm 7" in out and "not known (this file was written" in out


@pytest.mark.parametrize(
    "words", [("info", "RUN"), ("predict", "RUN", "PHOTOS"), ("report", "RUN"), ("doctor", "RUN"), ("cache",)]
)
def test_q_prints_nothing_but_errors(words: tuple[str, ...], trained: Finished, tmp_path: Path, capsys: Captured) -> None:
    """Not the note of an unreadable photo either; what --json asks for is printed all the same."""
    mine = trained.copy(tmp_path / "mine")
    (mine.base / "train" / "warm" / "bad.jpg").write_bytes(b"")
    places = {"RUN": str(mine.folder), "PHOTOS": str(mine.base / "train")}
    given = [places.get(word, word) for word in words]
    assert run(capsys, *given, "-q") == (0, "", "")
    code, out, err = run(capsys, *given, "-q", "--json")
    assert (code, err) == (0, "") and json.loads(out)
    code, out, err = run(capsys, words[0], *(["nowhere"] if len(words) > 1 else ["--prune", "--max", "x"]), *given[2:], "-q")
    assert ((code, out) == (1, "") and "nowhere" in err) or "--max" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_completion_is_code_for_the_shell(shell: str, capsys: Captured) -> None:
    code, out, err = run(capsys, "completion", shell)
    assert (code, err) == (0, "")
    assert "_ARGCOMPLETE" in out and "penult" in out
    if shell == "bash" and (bash := shutil.which("bash")):
        assert subprocess.run([bash, "-n"], input=out, text=True, check=False).returncode == 0

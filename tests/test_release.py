"""A release: what must agree, how it is prepared, and that the workflows call what there is."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


@pytest.fixture
def release(tmp_path: Path) -> ModuleType:
    """The script, in a small repository of its own."""
    for name in ("src/penult/__init__.py", "CHANGELOG.md", "CITATION.cff", "packaging/release.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".gitignore").write_text("__pycache__/\n")
    (tmp_path / "Makefile").write_text("good:\n\t@true\nbad:\n\t@false\n")
    for line in (["init", "-q"], ["add", "."], ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]):
        subprocess.run(["git", *line], cwd=tmp_path, check=True)
    for key, value in (("user.name", "a"), ("user.email", "a@b")):
        subprocess.run(["git", "config", key, value], cwd=tmp_path, check=True)
    spec = importlib.util.spec_from_file_location("release", tmp_path / "packaging/release.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_version_changelog_and_citation_agree(release: ModuleType) -> None:
    assert release.problems() == []
    assert release.problems(f"v{release.version()}") == []
    assert "the tag is v9.9.9" in release.problems("v9.9.9")[0]
    release.replace(release.PACKAGE, r'^__version__ = ".+"', '__version__ = "9.9.9"')
    assert [said.split()[0] for said in release.problems()] == ["CHANGELOG.md", "CITATION.cff"]


def test_a_release_is_one_commit_after_its_checks(release: ModuleType) -> None:
    text = release.CHANGES.read_text()
    if "## Unreleased\n\n### " not in text:
        release.CHANGES.write_text(text.replace("\n## ", "\n## Unreleased\n\n### Added\n\n- More.\n\n## ", 1))
        release.git("commit", "-qam", "more")
    entry = release.notes("Unreleased")
    release.prepare("9.8.7rc1", ("good",))
    assert (release.version(), release.git("log", "-1", "--format=%s"), release.git("status", "--porcelain")) == (
        "9.8.7rc1", "penult 9.8.7rc1", "",
    )  # fmt: skip
    assert release.notes("9.8.7rc1") == entry
    assert release.problems("v9.8.7rc1") == []
    with pytest.raises(SystemExit, match="says nothing of Unreleased"):
        release.prepare("9.8.7", ("good",))


@pytest.mark.parametrize(
    ("new", "targets", "why"),
    [("0.0.1", ("good",), "not newer"), ("9.9", ("good",), "not a version"), ("99.0.0", ("good", "bad"), "`make bad` failed")],
)
def test_a_release_that_cannot_be_leaves_the_tree_as_it_was(
    release: ModuleType, new: str, targets: tuple[str, ...], why: str
) -> None:
    text = release.CHANGES.read_text()
    if "## Unreleased\n\n### " not in text:
        release.CHANGES.write_text(text.replace("\n## ", "\n## Unreleased\n\n### Added\n\n- More.\n\n## ", 1))
        release.git("commit", "-qam", "more")
    head = release.git("rev-parse", "HEAD")
    with pytest.raises(SystemExit, match=why):
        release.prepare(new, targets)
    assert (release.git("rev-parse", "HEAD"), release.git("status", "--porcelain")) == (head, "")
    release.CHANGES.write_text("changed")
    with pytest.raises(SystemExit, match="not committed"):
        release.prepare("99.0.0", ("good",))


def test_workflows_call_what_there_is() -> None:
    assert {path.stem for path in WORKFLOWS} == {"tests", "docs", "release"}
    text = "\n".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = set(re.findall(r"\bmake ([a-z-]+)", text)) - {"release"}
    assert called <= targets, called - targets
    release_targets = re.search(r"^TARGETS = \((.+)\)$", (ROOT / "packaging/release.py").read_text(), re.MULTILINE)
    assert release_targets and set(re.findall(r'"(.+?)"', release_targets[1])) <= targets
    for script in re.findall(r"(?:python3? |run: )((?:packaging|\.ci)/\S+)", text):
        assert (ROOT / script).is_file(), script
    for target in re.findall(r"target: ([a-z]+)", text):
        assert re.search(rf"^FROM \S+ AS {target}$", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE), target
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classified = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    matrix = re.search(r"python: \[(.+)\]", text)
    assert matrix and re.findall(r"3\.\d+", matrix[1]) == classified
    extras = set(project["optional-dependencies"])
    assert all(set(names.split(",")) <= extras for names in re.findall(r"'\.\[(.+?)\]'", text))

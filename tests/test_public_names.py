"""The public names: their examples run as they stand in the docstrings, and former names are still taken."""

from __future__ import annotations

import doctest
import inspect
import re
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import penult
from conftest import draw
from penult import api, cli
from penult.api import CALLED

API = Path(__file__).resolve().parents[1] / "docs" / "api"
DIRECTIVE = re.compile(r"(?m)^::: (\S+)\n    options: \{heading: [\w.]+, toc_label: [\w.]+(?:, members: \[(.*)\])?\}$")
SHOWN = {name: members for page in sorted(API.glob("*.md")) for name, members in DIRECTIVE.findall(page.read_text("utf-8"))}


def resolve(name: str) -> Any:
    """Return what a dotted name of penult stands for."""
    found: Any = penult
    for i, part in enumerate(parts := name.split(".")[1:], 1):
        with suppress(ModuleNotFoundError):
            import_module(".".join(["penult", *parts[:i]]))
        found = getattr(found, part)
    return found


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Photos of cats and dogs as the examples have them, and a finished run `cats` on them."""
    from PIL import Image

    folder, paths, kinds = tmp_path_factory.mktemp("examples"), [], {"cat": "warm", "dog": "cold"}
    for label, kind in kinds.items():
        (folder / "photos" / label).mkdir(parents=True)
        Image.fromarray(draw(kind, 99)).save(folder / f"{label}.jpg", quality=95)
        for i in range(6):
            paths.append(str(folder / "photos" / label / f"{i}.png"))
            Image.fromarray(draw(kind, i)).save(paths[-1])
    run = penult.train(folder / "photos", out=folder / "cats", backbones="colour_histogram", cache_dir=folder / "cache")
    compared = penult.compare(
        folder / "photos", out=folder / "first", backbones="colour_histogram", cache_dir=folder / "cache"
    )
    labels = [Path(p).parent.name for p in paths]
    return {"folder": folder, "paths": paths, "labels": labels, "run": run, "compared": compared}


@pytest.mark.parametrize("name", SHOWN)
def test_the_examples_of_a_public_name_run(name: str, names: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(names["folder"])
    monkeypatch.setenv("PENULT_CACHE", str(names["folder"] / "cache"))
    if "shards" in name and not Path("features").exists():
        pytest.importorskip("pyarrow")
        assert cli.main(["embed", "photos", "--out", "features", "-b", "colour_histogram", "--quiet"]) == 0
    example = doctest.DocTestParser().get_doctest(resolve(name).__doc__, dict(names), name, None, 0)
    assert example.examples
    said: list[str] = []
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    outcome = doctest.DocTestRunner(optionflags=flags).run(example, out=said.append)
    assert outcome.failed == 0, "".join(said)


def test_every_public_name_is_on_a_page_of_the_reference() -> None:
    shown = [resolve(name) for name in SHOWN]
    text = "".join(page.read_text("utf-8") for page in API.glob("*.md"))
    assert text.count("\n::: ") == len(SHOWN), "a name is there twice, or its options are not understood"
    for name in penult.__all__:
        assert CALLED.get(name) or getattr(penult, name) in shown, name
        assert f"heading: penult.{name}," in text, name
    for name in set(api.__all__) - {"CALLED"}:
        assert getattr(api, name) in shown, name


def test_every_name_of_penult_that_the_pages_use_is_there_and_public() -> None:
    """What `penult.xyz`, `from penult.x import y` and the like name in a page exists and is in the reference of Python."""
    shown = {id(resolve(name)) for name in SHOWN}
    for page in [API.parents[1] / "README.md", *API.parent.glob("*.md"), *(API.parent / "howto").glob("*.md")]:
        text = page.read_text("utf-8")
        if page.name in ("design.md", "reliability.md", "benchmarks.md"):  # they speak of the inside
            continue
        named = set(re.findall(r"(?<![\w/.-])(penult(?:\.[a-z_]+)*\.[A-Za-z_]+)\(", text))
        named |= {f"{home}.{name}" for home, name in re.findall(r"from (penult[\w.]*) import (\w+)", text)}
        for name in named:
            found = CALLED.get(name.removeprefix("penult.")) or resolve(name)
            assert inspect.ismodule(found) or id(found) in shown, f"{page.name}: {name}"


def sections(text: str) -> dict[str, list[str]]:
    """Return the lines of each section of a numpydoc docstring."""
    parts = re.split(r"(?m)^(\w[\w ]*)\n-+$", inspect.cleandoc(text))
    return {title: part.splitlines() for title, part in zip(parts[1::2], parts[2::2], strict=True)}


def described(lines: list[str]) -> set[str]:
    """Return the names that a section describes: those of a line that is not indented, with something below it."""
    heads = [line for line, below in pairwise([*lines, ""]) if re.match(r"\S", line) and below[:1] == " "]
    return {name.strip().lstrip("*") for head in heads for name in head.partition(" : ")[0].split(",")}


@pytest.mark.parametrize("name", SHOWN)
def test_a_public_name_says_what_it_takes_gives_and_raises(name: str) -> None:
    thing = resolve(name)
    inside = [getattr(thing, one) for one in SHOWN[name].split(", ") if one]
    for one in (thing, *inside):
        inner = one.fget if isinstance(one, property) else one
        found, what = sections(inner.__doc__), f"{name}: {getattr(inner, '__qualname__', inner)}"
        told = {part for title in ("Parameters", "Attributes") for part in described(found.get(title, []))}
        if isinstance(one, property) or (inspect.isclass(one) and issubclass(one, BaseException | tuple)):
            continue
        taken = set(inspect.signature(inner).parameters) - {"self"}
        assert taken <= told, f"{what}: {taken - told}"
        gives = None if inspect.isclass(one) else inspect.signature(inner).return_annotation
        first = inner.__doc__.strip()
        if gives not in (None, "None") and not first.startswith("Return"):
            assert found.get("Returns") or found.get("Yields"), f"{what} returns {gives}"
    if inspect.isfunction(thing):
        found = sections(thing.__doc__)
        nothing = inspect.signature(thing).return_annotation in (None, "None")
        assert described(found["Raises"]) and (nothing or found["Returns"])


def test_the_function_is_there_whatever_was_imported_before() -> None:
    import penult.training

    assert callable(penult.train) and penult.train is penult.training.train


def test_former_names_are_taken_and_not_shown(names: dict[str, Any]) -> None:
    embedder = penult.Embedder(backbone="colour_histogram", cache=False)
    assert embedder.get_params()["backbones"] == "colour_histogram" and embedder.cache_dir is False
    assert not {"backbone", "cache"} & set(embedder.get_params())
    assert penult.TransferClassifier("colour_histogram", cache=False).cache_dir is False
    assert penult.load(names["run"].folder, cache=False).settings.cache is False
    assert "load" not in penult.__all__


def test_errors_are_caught_by_the_names_at_the_root(names: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(penult.InputError):
        penult.load_model(tmp_path / "none.penult")
    with pytest.raises(penult.UnknownName):
        penult.train(names["folder"] / "photos", out=tmp_path / "run", backbones="colour_histogram", head="logistik")

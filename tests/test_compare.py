"""`penult compare`: which network, or which two or three, for these photos on this machine."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from conftest import draw as draw_photo
from penult import backbones, compare, images, zoo
from penult.backbones import Backbone
from penult.cli import build
from penult.compare import FEW, CompareOptions, Comparison, candidates, combinations, draw, result
from penult.compare.candidates import Candidate, CandidateEmbedder, ComparisonData, short, with_larger
from penult.compare.combinations import CombinationTrials
from penult.compare.options import Budget
from penult.compare.result import CombinationScore
from penult.embed import EmbedOptions, is_cached, speed
from penult.errors import InputError, OutputError, UnknownName, quiet, unknown
from penult.evaluate import Difference, Score, trials
from penult.images import natural_key

Photos = Callable[..., Path]


WIDTH = 32


def channel(number: int, seconds: float = 0.0) -> Callable[[np.ndarray], np.ndarray]:
    """Return a network that sees whether there is much of one colour, and noise by which it knows a picture again."""

    def see(pixels: np.ndarray) -> np.ndarray:
        time.sleep(seconds * len(pixels))
        much = np.tanh((pixels[..., number].mean(axis=(1, 2)) - 110) / 5)  # (n,)
        noise = [np.random.default_rng(list(p.tobytes()[:3000:7])).normal(size=24) for p in pixels]
        return np.hstack([np.repeat(much[:, None], 8, axis=1), np.array(noise).reshape(-1, 24) * 0.3]).astype(np.float32)

    return see


def network(name: str, gmacs: float, function: Any) -> Backbone:
    like = backbones.find_builtin("colour_histogram", size=32)
    return replace(like, name=name, blocks=(WIDTH,), weights=name, gmacs=gmacs, params=10, function=function)


def constant(value: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda pixels: np.full((len(pixels), WIDTH), value, np.float32)


RED, BLUE, GREEN = (
    network("see_red", 1.0, channel(0)),
    network("see_blue", 2.0, channel(2)),
    network("see_green", 3.0, channel(1)),
)


@pytest.fixture(scope="module")
def stand_ins() -> Iterator[dict[str, Backbone]]:
    """Networks that `penult.zoo.find_backbone` gives by name, instead of real ones; no budget is held back for drawing."""
    there = {b.name: b for b in (RED, BLUE, GREEN)}
    real = zoo.find_backbone

    def find(name: str, pooling: str | None = None, **_: object) -> Backbone:
        if name == "offline":
            raise InputError("offline is not in the cache and there is no network.")
        if name in backbones.builtin_names():
            return real(name, pooling)
        if name not in there:
            raise unknown("backbone", name, there)
        return there[name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("penult.compare.options.zoo.find_backbone", find)
        patch.setattr("penult.embed.throughput._SECONDS", 0.01)
        for module in (candidates, combinations):
            patch.setattr(module, "DRAWING", 0.0)
        patch.setattr(candidates, "OPENING", 0.0)
        yield there


@pytest.fixture
def shelf(stand_ins: dict[str, Backbone]) -> Iterator[dict[str, Backbone]]:
    """The stand-ins, to which a test may add."""
    before = dict(stand_ins)
    yield stand_ins
    stand_ins.clear()
    stand_ins.update(before)


def options(tmp_path: Path, *names: str, **changes: Any) -> CompareOptions:
    settings = EmbedOptions(cache=str(tmp_path / "cache"), workers=0)
    networks = names or ("see_red", "see_blue", "see_green")
    words = {"out": str(tmp_path / "out"), "backbones": networks, "settings": settings, "head": "logistic"}  # the cheaper head
    return CompareOptions(**{**words, **changes})


@pytest.fixture(scope="module")
def three(stand_ins: dict[str, Backbone], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    """Four colours of photos, three networks that see one colour each; nobody alone can tell the four."""
    root = tmp_path_factory.mktemp("three")
    for kind in ("warm", "cold", "green", "grey"):
        (root / "train" / kind).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(draw_photo(kind, i)).save(root / "train" / kind / f"{i}.png")
    return root, compare.compare(str(root / "train"), options(root))


def test_every_network_pair_and_trio_is_measured_the_best_first(three: tuple[Path, Comparison]) -> None:
    _, found = three
    assert Counter(len(e.members) for e in found.entries) == {1: 3, 2: 3, 3: 1}
    losses = [e.log_loss for e in found.entries]
    assert losses == sorted(losses)
    assert len(found.entries[0].members) > 1, "one colour cannot tell four classes"
    assert found.counts == {"images": 48, "failed": 0, "embedded": 144, "reused": 0}


def test_a_combination_is_as_slow_and_as_wide_as_its_members_together(three: tuple[Path, Comparison]) -> None:
    _, found = three
    alone = {e.members[0]: e for e in found.entries if len(e.members) == 1}
    for entry in found.entries:
        assert 1 / entry.images_per_second == pytest.approx(sum(1 / alone[m].images_per_second for m in entry.members))
        assert entry.width == WIDTH * len(entry.members) and entry.params == 10 * len(entry.members)
        assert entry.gmacs == sum(alone[m].gmacs for m in entry.members)
        assert entry.license == "Apache-2.0"


def test_it_says_what_each_member_of_a_combination_adds(three: tuple[Path, Comparison]) -> None:
    """The log loss without it minus that with it; a second colour adds much to the first."""
    _, found = three
    by_members = {e.members: e for e in found.entries}
    pair = by_members["see_red", "see_blue"]
    for name, rest in (("see_red", "see_blue"), ("see_blue", "see_red")):
        gap = pair.adds[name]
        assert gap.value == pytest.approx(by_members[rest,].log_loss - pair.log_loss)
        assert gap.low <= gap.value <= gap.high
    assert any(gap.clear and gap.value > 0 for gap in pair.adds.values())
    assert set(by_members["see_red", "see_blue", "see_green"].adds) == {"see_red", "see_blue", "see_green"}
    assert by_members["see_red",].adds == {}


def test_the_folder_holds_the_table_the_figure_and_everything_as_json(three: tuple[Path, Comparison]) -> None:
    root, found = three
    made = {p.relative_to(root / "out").as_posix() for p in (root / "out").rglob("*") if p.is_file()}
    assert made == {"compare.json", "compare.csv", "figures/compare.png", "figures/compare.svg"}
    kept = json.loads((root / "out/compare.json").read_text())
    assert kept.pop("status") == "done" and kept.pop("penult_compare") == 1
    assert kept == json.loads(json.dumps(found.to_dict()))
    with (root / "out/compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["name"] for r in rows] == [found.label(e) for e in found.entries]
    assert rows[0]["name"].count(" + ") and "see_" not in rows[0]["name"]
    assert [r["members"] for r in rows if r["recommended"] == "yes"] == [" ".join(found.recommended.members)]
    assert float(rows[0]["log_loss_low"]) <= float(rows[0]["log_loss"]) <= float(rows[0]["log_loss_high"])


def test_the_last_line_can_be_typed_as_it_is(three: tuple[Path, Comparison]) -> None:
    root, found = three
    wanted = ["penult", "train", str(root / "train"), *(w for m in found.recommended.members for w in ("-b", m))]
    assert shlex.split(found.next_line) == [*wanted, "--head", "logistic", "--cache", str(root / "cache")]


def test_the_line_says_all_that_was_asked_otherwise_than_usual(tmp_path: Path) -> None:
    """A shell takes it whole: blanks and quotes in the folder's name, the head, the cache."""
    settings = EmbedOptions("cpu", "bf16", "/my cache")
    asked = options(tmp_path, head="svm", settings=settings, groups="patient", recipe={"size": 96, "mean": (0.5, 0.5, 0.5)})
    line = result.next_line("it's a folder", ["timm net@w.pth", "b"], asked)
    assert shlex.split(line) == [
        "penult", "train", "it's a folder", "-b", "timm net@w.pth", "-b", "b", "--head", "svm", "--cache", "/my cache",
        "--device", "cpu", "--precision", "bf16", "--groups", "patient", "--recipe", "size=96", "mean=0.5,0.5,0.5",
    ]  # fmt: skip


def test_a_second_comparison_reuses_the_rows_and_finds_the_same(three: tuple[Path, Comparison], tmp_path: Path) -> None:
    """In the folder of another comparison, which it replaces."""
    root, first = three
    compare.compare(str(root / "train"), options(root, "see_red", out=str(tmp_path / "again")))
    again = compare.compare(str(root / "train"), options(root, out=str(tmp_path / "again")))
    assert len(json.loads((tmp_path / "again" / "compare.json").read_text())["entries"]) == 7
    assert again.counts["embedded"] == 0 and again.counts["reused"] == 144
    assert [(e.members, e.scores) for e in again.entries] == [(e.members, e.scores) for e in first.entries]


def test_a_folder_with_something_else_in_it_is_refused_before_anything_is_computed(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path
) -> None:
    source = str(photos("train", warm=4, cold=4))
    other = tmp_path / "out"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not a comparison of penult's"):
        compare.compare(source, options(tmp_path))
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]
    with pytest.raises(InputError, match="is a file"):
        compare.compare(source, options(tmp_path, out=str(other / "thesis.txt")))


def test_what_cannot_be_had_is_left_out_and_told(shelf: dict[str, Backbone], photos: Photos, tmp_path: Path) -> None:
    source = str(photos("train", warm=6, cold=6))
    found = compare.compare(source, options(tmp_path, "offline", "see_red"))
    assert [e.members for e in found.entries] == [("see_red",)]
    assert [(one.name, one.reason) for one in found.left_out] == [
        ("offline", "offline is not in the cache and there is no network.")
    ]
    assert found.recommended is found.entries[0] and found.entries[0].pareto


def test_no_network_at_all_a_typing_error_and_a_wrong_head_are_errors(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path
) -> None:
    source = str(photos("train", warm=4, cold=4))
    with pytest.raises(InputError, match="none of the networks is available: offline: offline is not in the cache"):
        compare.compare(source, options(tmp_path, "offline"))
    with pytest.raises(UnknownName, match="did you mean see_red"):
        compare.compare(source, options(tmp_path, "se_red", "see_blue"))
    with pytest.raises(UnknownName, match="head"):
        compare.compare(source, options(tmp_path, head="logstic"))


def test_a_network_that_fails_at_work_is_left_out(shelf: dict[str, Backbone], photos: Photos, tmp_path: Path) -> None:
    shelf["broken"] = network("broken", 0.5, constant(np.nan))
    found = compare.compare(str(photos("train", warm=6, cold=6)), options(tmp_path, "broken", "see_red"))
    assert [e.members for e in found.entries] == [("see_red",)]
    assert "are not finite" in found.left_out[0].reason
    with pytest.raises(InputError, match=r"no network could be compared: broken: .* not finite"):
        compare.compare(str(tmp_path / "train"), options(tmp_path, "broken"))


def test_two_names_of_one_network_are_one(shelf: dict[str, Backbone], photos: Photos, tmp_path: Path) -> None:
    shelf["red_too"] = RED
    found = compare.compare(str(photos("train", warm=6, cold=6)), options(tmp_path, "see_red", "red_too"))
    assert len(found.entries) == 1


def test_with_many_networks_only_the_best_four_are_combined(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path
) -> None:
    """Five singles, then six pairs and four trios of the four best."""
    for i in range(2):
        shelf[f"blind_{i}"] = network(f"blind_{i}", 4.0 + i, constant(i))
    source = str(photos("train", warm=8, cold=8, green=8))
    found = compare.compare(source, options(tmp_path, *shelf))
    assert Counter(len(e.members) for e in found.entries) == {1: 5, 2: 6, 3: 4}
    combined = {m for e in found.entries if len(e.members) > 1 for m in e.members}
    assert combined >= {"see_red", "see_blue", "see_green"} and len(combined) == 4


def test_a_second_process_measures_half_and_finds_the_same(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = str(photos("train", warm=30, cold=30, grey=50))
    beside = compare.compare(source, options(tmp_path, "see_red", "see_blue"))

    class Nowhere:
        def __init__(self, *_: object, **__: object) -> None:
            raise OutputError("no process")

    monkeypatch.setattr(trials, "Worker", Nowhere)
    alone = compare.compare(source, options(tmp_path, "see_red", "see_blue"))
    assert len(alone.entries) == 3
    for one, other in zip(beside.entries, alone.entries, strict=True):
        assert one.members == other.members
        assert one.log_loss == pytest.approx(other.log_loss, rel=1e-6)


def test_singles_of_a_process_that_died_are_measured_here(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "__name__", "penult.no_such_room")  # the other process ends at once
    found = compare.compare(str(photos("train", warm=30, cold=30, grey=50)), options(tmp_path))
    assert {e.members for e in found.entries} >= {("see_red",), ("see_blue",), ("see_green",)}
    assert {one.reason for one in found.left_out} <= {"no time was left for it"}


def gathered(source: str, settings: EmbedOptions, names: Mapping[str, Backbone]) -> tuple[ComparisonData, CombinationTrials]:
    """Return what is measured, and the measurements."""
    budget = Budget(None)
    found, _ = candidates.gather(CompareOptions(backbones=tuple(names)), budget, lambda *_: None)
    with CombinationTrials(compare.CompareOptions(), 10, budget, lambda *_: None) as bench:
        whole = CandidateEmbedder(images.scan_labelled(source), settings, budget, lambda *_: None).run(found, bench.first)
        assert bench.every(whole) == []
    return whole, bench


def test_copies_stay_together_and_all_trials_have_the_same_folds(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path
) -> None:
    source = photos("train", warm=8, cold=8)
    for i in range(4):
        shutil.copy(source / f"warm/warm.{i}.png", source / f"warm/copy.{i}.png")
    (source / "cold/broken.png").write_bytes((source / "cold/cold.0.png").read_bytes()[:60])
    whole, bench = gathered(str(source), options(tmp_path).settings, shelf)
    assert len(whole.y) == 20 and whole.counts["failed"] == 1
    assert any("1 images cannot be read" in note for note in whole.notes)
    assert whole.groups is not None and sorted(Counter(whole.groups.tolist()).values()) == [1] * 12 + [2] * 4
    folds = [evaluation.fold for evaluation in bench.found.values()]
    assert len(folds) == 7
    for fold in folds:
        np.testing.assert_array_equal(fold, folds[0])
        assert all(len(set(fold[whole.groups == g])) == 1 for g in range(whole.groups.max() + 1))


def table(folder: Path, group: Callable[[str, int], str]) -> str:
    """Return a CSV of a folder's photos with a column of patients."""
    lines = [
        f"{p.parent.name}/{p.name},{p.parent.name},{group(p.parent.name, i)}"
        for i, p in enumerate(sorted(folder.rglob("*.png"), key=lambda p: natural_key(str(p))))
    ]
    (folder / "list.csv").write_text("\n".join(["file,label,patient", *lines]))
    return str(folder / "list.csv")


def test_what_a_column_ties_together_is_in_one_fold_of_every_trial(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = table(photos("train", warm=12, cold=12), lambda _, i: str(i // 3))
    seen: list[CombinationTrials] = []
    real = CombinationTrials.every
    monkeypatch.setattr(CombinationTrials, "every", lambda self, whole: (seen.append(self), real(self, whole))[1])
    compare.compare(source, options(tmp_path, groups="patient"))
    (bench,) = seen
    for evaluation in bench.found.values():
        assert all(len(set(evaluation.fold[i : i + 3])) == 1 for i in range(0, 24, 3))


def test_classes_that_cannot_be_measured_are_told_before_the_next_network_begins(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path
) -> None:
    shelf["next"] = network("next", 5.0, lambda pixels: pytest.fail("it was begun"))
    source = table(photos("train", warm=4, cold=4), lambda label, _: label)
    with pytest.raises(InputError, match="nothing can be measured"):
        compare.compare(source, options(tmp_path, "see_red", "next", groups="patient"))


def test_a_speed_is_measured_once_and_then_known(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = EmbedOptions(cache=str(tmp_path / "cache"))
    source = str(photos("train", warm=6, cold=6))
    first = compare.compare(source, options(tmp_path))
    assert speed(RED, settings) is not None
    monkeypatch.setattr(candidates, "measure_speed", lambda *_: pytest.fail("measured again"))
    again = compare.compare(source, options(tmp_path))
    alone = [{e.members: round(e.images_per_second, 2) for e in c.entries} for c in (first, again)]
    assert alone[0] == pytest.approx(alone[1], rel=1e-3)  # kept in fewer digits


# ---- the budget


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("5m", 300), ("90s", 90), ("1h30m", 5400), ("300", 300), ("1.5h", 5400), ("1m30s", 90), (" 2M ", 120), ("1h1", 3601)],
)
def test_a_budget_is_read_as_people_write_it(text: str, wanted: float) -> None:
    assert compare.seconds(text) == wanted


@given(h=st.integers(0, 99), m=st.integers(0, 99), s=st.integers(1, 99))
def test_hours_minutes_and_seconds_add_up(h: int, m: int, s: int) -> None:
    assert compare.seconds(f"{h}h{m}m{s}s") == 3600 * h + 60 * m + s


@pytest.mark.parametrize("text", ["", "0", "0m", "-5m", "5 minutes", "m5", "5x", "5m1h", "1e3", "inf", "nan"])
def test_anything_else_is_no_budget(text: str) -> None:
    with pytest.raises(InputError, match="give a time such as 90s, 5m or 1h30m"):
        compare.seconds(text)


def test_the_cheapest_network_is_measured_whatever_the_budget(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are named, with the time that they would have taken."""
    monkeypatch.setattr(candidates, "OPENING", 2.0)
    source = str(photos("train", warm=10, cold=10))
    found = compare.compare(source, options(tmp_path, "see_green", "see_red", "see_blue", budget=1.0))
    assert [e.members for e in found.entries] == [("see_red",)]
    told = {one.name: one for one in found.left_out}
    assert set(told) == {"see_blue", "see_green"}
    for one in told.values():
        assert one.seconds is not None and one.seconds > 0
        assert "it would take about" in one.reason


def test_time_is_for_the_networks_before_the_combinations(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All singles that were embedded are measured, and what was not combined is named."""
    clock = [0.0]
    monkeypatch.setattr(Budget, "spent", property(lambda _: clock[0]))
    real = CombinationTrials.every

    def late(self: CombinationTrials, whole: ComparisonData) -> Any:
        clock[0] = 1000.0
        return real(self, whole)

    monkeypatch.setattr(CombinationTrials, "every", late)
    found = compare.compare(str(photos("train", warm=10, cold=10)), options(tmp_path, budget=999.0))
    assert sorted(e.members for e in found.entries) == [("see_blue",), ("see_green",), ("see_red",)]
    assert [one.name for one in found.left_out] == ["red + blue", "red + green", "blue + green", "red + blue + green"]


def test_a_network_that_is_slower_than_it_looked_is_stopped_when_the_time_is_up(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its 60 images takes 50 of 1,000 seconds; what it did by then is in the cache."""
    clock = [0.0]
    monkeypatch.setattr(Budget, "spent", property(lambda _: clock[0]))

    def slow(pixels: np.ndarray) -> np.ndarray:
        clock[0] += 50 * len(pixels)
        return channel(2)(pixels)

    shelf["slow"] = network("slow", 1.0, slow)
    source = str(photos("train", warm=30, cold=30))
    found = compare.compare(source, options(tmp_path, "see_red", "slow", budget=1000.0))
    assert [(one.name, one.reason) for one in found.left_out] == [
        ("slow", "the time was up before it had finished; what was computed is in the cache")
    ]
    digests = np.array([np.frombuffer(row, np.uint8) for row in sorted(files_digests(Path(source)))])
    assert 0 < is_cached(shelf["slow"], digests, options(tmp_path).settings).sum() < 60


def files_digests(folder: Path) -> list[bytes]:
    import hashlib

    return [hashlib.sha256(p.read_bytes()).digest() for p in folder.rglob("*.png")]


def test_the_time_of_a_dear_network_is_told_from_its_multiply_adds(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path
) -> None:
    """Ten thousand times the work of the one that is done: it is not begun."""
    shelf["slow"] = network("slow", 1.0, channel(0, seconds=0.002))
    shelf["giant"] = network("giant", 10_000.0, lambda pixels: pytest.fail("it was begun"))
    source = str(photos("train", warm=12, cold=12))
    found = compare.compare(source, options(tmp_path, "giant", "slow", budget=60.0))
    (left,) = found.left_out
    assert left.name == "giant" and left.seconds is not None and left.seconds > 200
    assert [e.members for e in found.entries] == [("slow",)]


# ---- the sample


def labelled(counts: Mapping[str, int]) -> images.ImageSet:
    every = [images.Image(f"{c}/{i}.png", f"/p/{c}/{i}.png", c) for c, n in counts.items() for i in range(n)]
    return images.ImageSet("/p", tuple(every), tuple(counts), {}, ())


COUNTS = st.lists(st.integers(2, 90), min_size=2, max_size=5)


@given(counts=COUNTS, size=st.integers(1, 200), seed=st.integers(0, 5))
def test_a_sample_keeps_every_class_by_its_share(counts: list[int], size: int, seed: int) -> None:
    """In order, each image once, ten of a class or all that it has, and as many as asked unless that asks for more."""
    whole = labelled({f"c{i}": n for i, n in enumerate(counts)})
    drawn = draw(whole, size, seed)
    number = {image.id: i for i, image in enumerate(whole.images)}
    places = [number[image.id] for image in drawn.images]
    assert places == sorted(set(places)) and drawn.classes == whole.classes
    for label, n in whole.counts.items():
        exact = size * n / len(whole)
        assert drawn.counts[label] >= min(n, FEW)
        assert drawn.counts[label] <= max(min(n, FEW), exact + 1) or len(whole) <= size
    floor = sum(max(int(size * n / len(whole)), min(n, FEW)) for n in counts)
    assert len(drawn) == (len(whole) if len(whole) <= size else max(size, floor))
    assert drawn.images == draw(whole, size, seed).images


def test_another_seed_draws_other_images_and_a_note_says_how_many() -> None:
    whole = labelled({"cat": 300, "dog": 100})
    first, second = draw(whole, 100, 0), draw(whole, 100, 1)
    assert first.counts == second.counts == {"cat": 75, "dog": 25}
    assert first.images != second.images
    assert first.notes == ("a stratified sample of 100 of the 400 images was used.",)
    with pytest.raises(InputError, match="a sample of 0 images"):
        draw(whole, 0, 0)


# ---- names, front, recommendation


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["efficientnet_lite0", "efficientnet_lite1"], ["lite0", "lite1"]),
        (["resnet50"], ["resnet50"]),
        (["resnet50", "resnet50_gn"], ["resnet50", "resnet50_gn"]),
        (["keras:ResNet50", "keras:Xception"], ["ResNet50", "Xception"]),
        (["vit_small.dino", "vit_small.mae"], ["dino", "mae"]),
        (["vit_small.dino", "convnext_tiny.in12k"], ["vit_small", "convnext_tiny"]),
        (["a_b", "a_b_c"], ["b", "b_c"]),
    ],
)
def test_names_are_short_where_that_leaves_them_apart(names: list[str], wanted: list[str]) -> None:
    assert list(short(names).values()) == wanted


@given(names=st.lists(st.text("ab_.:/-", min_size=1, max_size=8), min_size=1, max_size=6, unique=True))
def test_two_networks_never_share_a_short_name(names: list[str]) -> None:
    made = short(names)
    assert list(made) == names and len(set(made.values())) == len(names) and all(made.values())


def entry(name: str, rate: float, loss: float, low: float, high: float) -> CombinationScore:
    gap = Difference("log_loss", (low + high) / 2, low, high, 100)
    scores = {"log_loss": Score(loss, loss, loss)}
    return CombinationScore((name,), scores, rate, 2, 1.0, 3, "MIT", False, {}, gap)


def test_the_fastest_that_is_not_measurably_worse_is_recommended() -> None:
    best, near, far = entry("best", 10, 0.1, 0, 0), entry("near", 50, 0.12, -0.01, 0.05), entry("far", 90, 0.3, 0.1, 0.3)
    names = {name: name for name in ("best", "near", "far")}
    chosen, reason = result.recommend([best, near, far], names)
    assert chosen is near
    assert reason == (
        "near is the fastest (50 images/s) whose log loss is not significantly worse than the best, best (10 images/s): "
        "the difference is 0.02 (-0.01 to 0.05)."
    )
    chosen, reason = result.recommend([best, far], names)
    assert chosen is best
    assert reason == (
        "best has the smallest log loss, and everything faster is significantly worse: far (90 images/s) is worse by "
        "0.20 (0.10 to 0.30)."
    )
    slow = replace(far, images_per_second=1.5)
    assert result.recommend([best, slow], names) == (best, "best has the smallest log loss and is the fastest.")


def test_the_front_is_what_nothing_else_beats(three: tuple[Path, Comparison]) -> None:
    _, found = three
    for one in found.entries:
        beaten = [
            other
            for other in found.entries
            if other.images_per_second >= one.images_per_second
            and other.log_loss <= one.log_loss
            and (other.images_per_second, other.log_loss) != (one.images_per_second, one.log_loss)
        ]
        assert one.pareto == (not beaten)


# ---- the command


def type_in(*words: str | Path) -> None:
    args = build().parse_args(["compare", "--quiet", *map(str, words)])
    args.func(args)


def test_the_command_prints_a_table_and_ends_with_the_line_to_type(
    shelf: dict[str, Backbone], photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = str(photos("train", warm=8, cold=8, grey=8))
    type_in(source, "-b", "see_red", "-b", "see_blue", "-b", "offline", "--out", tmp_path / "out")
    printed, errors = capsys.readouterr()
    lines = printed.splitlines()
    assert errors == ""
    assert lines[-1].startswith(f"penult train {source} -b see_") and lines[-2].startswith("recommended: ")
    assert sum("Apache-2.0" in line for line in lines) == 3
    assert any(line.startswith("  red + blue: ") for line in lines)
    assert any(line.startswith("left out: offline: offline is not in the cache") for line in lines)


def test_the_command_gives_json_and_keeps_a_budget(
    shelf: dict[str, Backbone],
    photos: Photos,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(candidates, "OPENING", 2.0)
    source = str(photos("train", warm=8, cold=8))
    words = (source, "-b", "see_red", "-b", "see_blue", "--out", tmp_path / "out", "--sample", "20")
    type_in(*words, "--json", "--budget", "1s")
    found = json.loads(capsys.readouterr().out)
    assert [e["members"] for e in found["entries"]] == [["see_red"]]
    assert found["options"]["budget"] == 1 and found["left_out"][0]["name"] == "see_blue"
    assert found["folder"] == str(tmp_path / "out") and found["next"] == f"penult train {source} -b see_red"
    with pytest.raises(InputError, match="budget of 'soon'"):
        type_in(*words, "--budget", "soon")


@pytest.mark.slow
def test_real_networks_on_real_photos(real_photos: Path, tmp_path: Path) -> None:
    """Two networks and both together on 60 photos of cats and dogs; their speeds come from the run itself."""
    names = ("efficientnet_lite0", "efficientnet_lite1")
    found = compare.compare(str(real_photos / "train"), options(tmp_path, *names, sample=60))
    assert [set(e.members) <= set(names) for e in found.entries] == [True] * 3
    assert sum(found.classes.values()) == 60
    assert all(e.log_loss < 0.2 and (e.scores["accuracy"].value or 0) > 0.9 for e in found.entries)
    assert {found.label(e) for e in found.entries} == {"lite0", "lite1", "lite0 + lite1"}
    assert len(list((tmp_path / "out" / "figures").iterdir())) == 2


@pytest.mark.parametrize(("side", "names"), [(1000.0, ["lite0", "lite0:448"]), (300.0, ["lite0"])])
def test_a_larger_size_is_compared_where_photos_are_far_larger(side: float, names: list[str]) -> None:
    def network(size: int) -> SimpleNamespace:
        return SimpleNamespace(recipe=SimpleNamespace(size=size), has_maps=True, gmacs=size / 224)

    asked = SimpleNamespace(find=lambda name, _: network(int(name.partition(":")[2])))
    named = [Candidate("lite0", "lite0", network(224))]  # type: ignore[arg-type]
    found = with_larger(named, [side] * 5, asked, quiet)  # type: ignore[arg-type]
    assert [one.name for one in found] == names

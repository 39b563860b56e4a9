"""The figure of `penult compare`: log loss against speed, which can be read whatever was compared."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from penult import plots
from penult.errors import InputError
from penult.evaluate import Score
from penult.plots import TradeoffPoint, style
from penult.plots.tradeoff import LABELS
from test_plots_figures import words

LONG = (
    "vit_small_patch14_dinov2", "vit_base_patch16_siglip_224", "vit_large_patch14_reg4_dinov2", "convnext_tiny", "resnet50",
    "keras:Xception", "tf_efficientnetv2_s", "mobilenetv3_large_100", "efficientnet_lite0", "efficientnet_lite1",
)  # fmt: skip


def score(value: float) -> Score:
    return Score(value, value * 0.55, value * 1.7)


def points(rates: dict[str, float], losses: dict[str, float], gain: float = 0.9) -> list[TradeoffPoint]:
    """Return every network, pair and trio; together they are as slow as they must be, and better by `gain`."""
    sets = [c for size in (1, 2, 3) for c in itertools.combinations(rates, size)]
    speed = {c: 1 / sum(1 / rates[m] for m in c) for c in sets}
    loss = {c: min(losses[m] for m in c) * gain ** (len(c) - 1) for c in sets}
    front = {c: not any(speed[o] >= speed[c] and loss[o] < loss[c] for o in sets) for c in sets}
    return [TradeoffPoint(c, speed[c], score(loss[c]), front[c]) for c in sets]


LITE = points({"lite0": 320.0, "lite1": 230.0, "lite2": 172.0}, {"lite0": 0.0092, "lite1": 0.0119, "lite2": 0.0136}, gain=0.93)


def many() -> list[TradeoffPoint]:
    """Return 25 entries of ten networks from 3 to 320 images a second."""
    rates = dict(zip(LONG, np.geomspace(3, 320, len(LONG)), strict=True))
    losses = dict(zip(LONG, np.geomspace(0.006, 0.08, len(LONG)), strict=True))
    every = points(rates, losses)
    return [p for p in every if len(p.members) == 1] + [p for p in every if len(p.members) > 1][::11][:15]


def labels(figure: Figure) -> dict[str, Bbox]:
    """Return where each label stands, in pixels."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    (ax,) = figure.axes
    return {t.get_text(): t.get_window_extent(renderer) for t in ax.texts if isinstance(t, Annotation)}


def covered(one: Bbox, other: Bbox) -> float:
    """Return which share of the smaller of two boxes lies under the other."""
    wide, tall = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    return wide * tall / min(one.width * one.height, other.width * other.height) if wide > 0 and tall > 0 else 0.0


def test_every_network_and_combination_is_named_at_its_point(tmp_path: Path) -> None:
    paths = plots.save_figure(plots.plot_tradeoff(LITE), tmp_path, "compare")
    assert {p.name for p in paths} == {"compare.png", "compare.svg"}
    text = words(tmp_path / "compare.svg")
    for name in ("lite0", "lite1", "lite2", "lite0 + lite1", "lite1 + lite2", "lite0 + lite1 + lite2"):
        assert name in text
    assert "Pareto front" in text and "95% interval" in text


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first = [p.read_bytes() for p in plots.save_figure(plots.plot_tradeoff(LITE), tmp_path, "a")]
    assert [p.read_bytes() for p in plots.save_figure(plots.plot_tradeoff(LITE), tmp_path, "b")] == first


@pytest.mark.parametrize("made", [LITE, many()], ids=["seven", "many"])
def test_labels_cover_neither_each_other_nor_markers_and_stay_inside(made: list[TradeoffPoint]) -> None:
    figure = plots.plot_tradeoff(made)
    (ax,) = figure.axes
    found = labels(figure)
    assert len(found) >= min(len(made), 10)
    for one, other in itertools.combinations(found.values(), 2):
        assert covered(one, other) < 0.1
    spots = [ax.transData.transform((p.images_per_second, p.log_loss.value)) for p in made]
    for box in found.values():
        assert not any(box.x0 < x < box.x1 and box.y0 < y < box.y1 for x, y in spots)
        assert covered(box, ax.get_window_extent()) > 0.95


def test_long_names_become_letters_and_a_key_says_which(tmp_path: Path) -> None:
    """The best network is A; all single networks and the whole front have their letters."""
    made = many()
    figure = plots.plot_tradeoff(made)
    found = labels(figure)
    assert {c for label in found for c in label.split(" + ")} == set("ABCDEFGHIJ")
    singles = [p for p in made if len(p.members) == 1]
    wanted = {p.members for p in made if p.front} | {p.members for p in singles}
    assert len(found) >= len(wanted)
    plots.save_figure(figure, tmp_path, "many")
    text = words(tmp_path / "many.svg")
    assert all(name in text for name in LONG)
    (key,) = figure.legends
    lines = [t.get_text() for t in key.get_texts()]
    assert lines[: len(LONG)] == list("ABCDEFGHIJ")
    assert lines[len(LONG)] == min(singles, key=lambda p: p.log_loss.value or 0).members[0]


def test_one_network_with_a_long_name_needs_no_key() -> None:
    figure = plots.plot_tradeoff([TradeoffPoint((LONG[0],), 12.0, score(0.02), True)])
    assert list(labels(figure)) == [LONG[0]] and not figure.legends


def test_the_line_joins_the_front_and_nothing_else() -> None:
    """Its markers are filled, the others hollow, so that it can be read without colours."""
    figure = plots.plot_tradeoff(LITE)
    (ax,) = figure.axes
    line = next(drawn for drawn in ax.lines if len(drawn.get_xdata()) > 2)
    front = sorted(((p.images_per_second, p.log_loss.value) for p in LITE if p.front), key=lambda at: at[0])
    np.testing.assert_array_equal(np.column_stack([line.get_xdata(), line.get_ydata()]), front)
    looks = {
        float(drawn.get_xdata()[0]): drawn.get_markerfacecolor() for drawn in ax.lines if drawn.get_marker() in ("o", "s", "^")
    }
    for p in LITE:
        assert looks[p.images_per_second] == (style.BLUE if p.front else "white")


def test_no_more_labels_than_can_be_read() -> None:
    names = [f"n{i}" for i in range(30)]
    made = [TradeoffPoint((name,), 10.0 + i, score(0.02 + 0.001 * i), i in (0, 29)) for i, name in enumerate(names)]
    found = labels(plots.plot_tradeoff(made))
    assert len(found) == LABELS and {"n0", "n29"} <= set(found)


def test_nothing_measured_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to compare"):
        plots.plot_tradeoff([])


RATES = st.floats(0.01, 1e5)
LOSSES = st.one_of(st.just(0.0), st.floats(1e-7, 3.0))


@given(
    made=st.lists(st.tuples(RATES, LOSSES, st.booleans(), st.integers(1, 4)), min_size=1, max_size=6),
    names=st.sampled_from([("a", "b", "$c$", "猫"), LONG[:4]]),
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_results_can_be_drawn(made: list[tuple[float, float, bool, int]], names: tuple[str, ...]) -> None:
    """Also perfect ones, equal ones, and ones that lie powers of ten apart."""
    figure = plots.plot_tradeoff([TradeoffPoint(names[:size], rate, score(loss), front) for rate, loss, front, size in made])
    (ax,) = figure.axes
    assert len([t for t in ax.texts if isinstance(t, Annotation)]) == len(made)
    low, high = ax.get_ylim()
    assert all(low <= loss <= high for _, loss, _, _ in made)

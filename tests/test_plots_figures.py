"""Figures: both files, the same bytes each time, any class name, 2 to 120 classes, no trace left behind."""

import dataclasses
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from penult import i18n, plots
from penult.errors import InputError, OutputError
from penult.evaluate import LearningCurve, Score, score
from penult.plots import style
from penult.plots import words as signs
from penult.texts import digits

HISTORY = {
    "epoch": [1, 2, 3],
    "loss": [0.5, 0.2, 0.1],
    "accuracy": [0.8, 0.9, 0.95],
    "val_loss": [0.4, 0.3, 0.2],
    "val_accuracy": [0.85, 0.9, 0.9],
}
PATH = {"C": [1e-3, 1e-1, 1e-2, 1.0], "log_loss": [0.6, 0.02, 0.1, 0.05]}
ODD = ["$5 bill$ _x_^2", "a\nb\x00c", "猫 \udcff <b>&amp;</b> " + "long " * 9]


def evaluation(n=60, k=2, lean=4.0, names=None, title="logistic"):
    """Return the evaluation of probabilities that lean to the right class."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % k
    logits = rng.normal(size=(n, k)) * 1.5
    logits[np.arange(n), y] += lean
    proba = np.exp(logits)
    proba /= proba.sum(axis=1, keepdims=True)
    return score(y, proba, names or [f"class {i}" for i in range(k)], name=title)


def curve():
    losses = (0.12, 0.05, 0.026)
    return LearningCurve(
        (16, 53, 177),
        tuple(Score(v, v * 0.6, v * 1.5) for v in losses),
        tuple(Score(1 - v / 4, 1 - v / 2, 1.0) for v in losses),
    )


def words(path):
    """Return all text of an SVG, which also proves that it is well-formed."""
    return " ".join("".join(part.itertext()) for part in ET.parse(path).getroot().iter() if part.tag.endswith("text"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Return the paths of all figures of a run."""
    found = evaluation()
    other = dataclasses.replace(found, name="svm")
    return plots.save_all(tmp_path_factory.mktemp("run") / "figures", found, [other], curve(), HISTORY, PATH)


def test_a_run_gets_every_figure_as_png_and_svg(drawn):
    names = {"confusion", "reliability", "comparison", "learning_curve", "training_curves", "regularisation"}
    assert {path.name for path in drawn} == {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    assert set(drawn) == set(drawn[0].parent.iterdir())
    for path in drawn:
        if path.suffix == ".png":
            with Image.open(path) as picture:
                assert picture.width >= 600
                assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.1)
                assert len(picture.convert("RGB").getcolors(1_000_000)) > 20
        else:
            assert len(words(path)) > 20


def test_what_there_is_no_result_for_has_no_figure(tmp_path):
    assert plots.save_all(tmp_path) == []
    by_head = {"head": ["knn", "lda"], "log_loss": [0.2, 0.1]}
    paths = plots.save_all(tmp_path, evaluation(), history={}, path=by_head)
    assert {path.stem for path in paths} == {"confusion", "reliability"}


def test_the_same_results_give_the_same_bytes(drawn, tmp_path):
    for path in plots.save_all(tmp_path, evaluation(), curve=curve(), path=PATH):
        assert path.read_bytes() == (drawn[0].parent / path.name).read_bytes()


def test_class_names_with_odd_signs_are_drawn_as_they_are(tmp_path):
    found = evaluation(k=3, names=ODD)
    paths = plots.save_all(tmp_path, found, [dataclasses.replace(found, name="$x$ \x07\n_y_")])
    text = words(tmp_path / "confusion.svg")
    assert "$5 bill$ _x_^2" in text
    assert "猫" in text
    assert "<b>&amp;</b>" in text
    assert "\n" not in text
    assert "$x$" in words(tmp_path / "comparison.svg")
    assert len(paths) == 6


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\tb\n c", "a b c"),
        ("x\x00y", "x\ufffdy"),
        ("caf\udce9", "caf\ufffd"),
        ("n" * 40, "n" * 27 + "…"),
        ("Zoë 猫", "Zoë 猫"),
    ],
)
def test_a_name_becomes_one_short_line(raw, shown):
    assert style.clean(raw) == shown


@pytest.mark.parametrize("k", [2, 3, 8, 9, 21, 45, 120])
def test_confusion_is_drawn_for_few_and_for_many_classes(k, tmp_path):
    found = evaluation(n=4 * k, k=k)
    figure = plots.plot_confusion_matrix(found)
    axes = figure.axes[0]
    numbers = [text.get_text() for text in axes.texts]
    if k <= 8:
        assert len(numbers) == k * k
        assert all(re.fullmatch(r"[\d,]+\n[\d.]+%", number) for number in numbers)
        assert sum(int(number.split("\n")[0]) for number in numbers) == 4 * k
    elif k <= 20:
        assert sum(map(int, numbers)) == 4 * k
    else:
        assert numbers == []
    assert len(axes.get_yticklabels()) == (k if k <= 60 else 60)
    assert max(figure.get_size_inches()) < 17
    png, svg = plots.save_figure(figure, tmp_path, "confusion")
    assert "class 0" in words(svg)
    assert png.stat().st_size < 700_000
    assert svg.stat().st_size < 1_500_000


def test_no_label_of_a_confusion_matrix_leaves_the_picture(tmp_path):
    """Long names on every side: what is drawn lies inside the picture, to the pixel's edge."""
    for k in (2, 12, 40):
        figure = plots.plot_confusion_matrix(evaluation(4 * k, k, names=[f"a rather long name {i}" for i in range(k)]))
        png, _ = plots.save_figure(figure, tmp_path, f"m{k}")
        with Image.open(png) as picture:
            seen = np.asarray(picture.convert("L")) < 128
        edge = np.concatenate([seen[0], seen[-1], seen[:, 0], seen[:, -1]])
        assert not edge.any(), k


def test_white_numbers_stand_on_dark_cells_and_dark_ones_on_light_cells():
    found = evaluation(n=200, lean=3.0)
    figure = plots.plot_confusion_matrix(found)
    for text, share in zip(figure.axes[0].texts, (found.confusion / 100).ravel(), strict=True):
        assert text.get_color() == ("white" if share**0.5 > 0.55 else style.INK)


@pytest.mark.parametrize(("n", "k", "lean"), [(6, 2, 1.0), (222, 2, 40.0), (500, 10, 3.0), (40, 20, 0.0)])
def test_reliability_is_readable_whatever_the_confidences_are(n, k, lean, tmp_path):
    found = evaluation(n, k, lean)
    figure = plots.plot_reliability(found)
    top, low = figure.axes
    start, end = top.get_xlim()
    seen = found.reliability.count > 0
    assert (start, end) == (pytest.approx(min(found.reliability.edges[:-1][seen].min(), 0.8)), 1.0)
    assert top.get_ylim()[0] < found.reliability.low[seen].min()
    assert sum(int(text.get_text().replace(",", "")) for text in low.texts) == n
    assert "Calibration error" in words(plots.save_figure(figure, tmp_path, "r")[1])


def test_the_seeds_curves_have_training_and_validation_that_colour_alone_does_not_part():
    figure = plots.plot_training_curves(HISTORY)
    for ax in figure.axes:
        training, validation = ax.get_lines()
        assert training.get_marker() != validation.get_marker()
        assert training.get_linestyle() != validation.get_linestyle()
        assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation"]
    assert figure.axes[0].get_lines()[1].get_ydata().tolist() == HISTORY["val_accuracy"]
    assert figure.axes[1].get_lines()[0].get_ydata().tolist() == HISTORY["loss"]


def test_a_history_without_validation_has_one_line_a_panel():
    figure = plots.plot_training_curves({k: v for k, v in HISTORY.items() if not k.startswith("val_")})
    assert [len(ax.get_lines()) for ax in figure.axes] == [1, 1]


def test_the_chosen_regularisation_is_marked_and_the_line_is_in_order():
    line, mark = plots.plot_regularization(PATH).axes[0].get_lines()
    assert line.get_xdata().tolist() == sorted(PATH["C"])
    assert (float(mark.get_xdata()[0]), float(mark.get_ydata()[0])) == (0.1, 0.02)
    _, other = plots.plot_regularization(PATH, chosen=1.0).axes[0].get_lines()
    assert float(other.get_xdata()[0]) == 1.0


def test_a_flat_path_keeps_a_plain_axis():
    flat = plots.plot_regularization({"C": [0.1, 1.0], "log_loss": [0.5, 0.4]})
    assert flat.axes[0].get_yscale() == "linear"
    assert plots.plot_regularization(PATH).axes[0].get_yscale() == "log"


def test_the_learning_curve_names_its_sizes_and_leaves_out_what_is_undefined():
    whole = curve()
    holes = dataclasses.replace(whole, log_loss=(Score(None, None, None), *whole.log_loss[1:]))
    left, right = plots.plot_learning_curve(holes).axes
    assert [label.get_text() for label in left.get_xticklabels()] == ["53", "177"]
    assert [label.get_text() for label in right.get_xticklabels()] == ["16", "53", "177"]


def test_comparison_puts_the_best_at_the_top_whichever_way_the_score_runs():
    found = [evaluation(lean=lean, title=f"lean {lean:g}") for lean in (1.0, 4.0, 2.0)]
    for metric in ("log_loss", "accuracy"):
        labels = [label.get_text() for label in plots.plot_comparison(found, metric).axes[0].get_yticklabels()]
        assert labels[0] == "lean 4"
        assert labels[-1] == "lean 1"


def test_scores_of_very_different_size_are_compared_on_a_log_axis():
    found = evaluation()
    small, large = (dataclasses.replace(found, scores={"log_loss": Score(v, v * 0.8, v * 1.2)}) for v in (0.001, 1.0))
    assert plots.plot_comparison([small, large]).axes[0].get_xscale() == "log"
    assert plots.plot_comparison([large, large]).axes[0].get_xscale() == "linear"


def test_comparing_nothing_is_refused():
    empty = dataclasses.replace(evaluation(), scores={"auc": Score(None, None, None)})
    with pytest.raises(InputError, match="'auc'"):
        plots.plot_comparison([empty], "auc")


def test_a_folder_that_cannot_be_written_is_an_output_error_and_leaves_no_half_file(tmp_path):
    (tmp_path / "figures").write_text("not a folder")
    with pytest.raises(OutputError, match="could not write"):
        plots.save_figure(plots.plot_confusion_matrix(evaluation()), tmp_path / "figures", "confusion")
    (tmp_path / "x.png").mkdir()
    with pytest.raises(OutputError, match="is a folder, not a file"):
        plots.save_figure(plots.plot_confusion_matrix(evaluation()), tmp_path, "x")
    assert not list(tmp_path.glob(".*"))


def test_the_callers_matplotlib_is_left_as_it_was(tmp_path):
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.save_figure(plots.plot_confusion_matrix(evaluation()), tmp_path, "confusion")
    assert dict(matplotlib.rcParams) == before


def test_neither_importing_nor_drawing_loads_what_is_not_needed():
    """`import penult.plots` loads no matplotlib; drawing loads no pyplot: no display, no figure list."""
    code = (
        "import sys; from penult import plots; assert 'matplotlib' not in sys.modules;"
        "plots.plot_regularization({'C': [1, 2], 'log_loss': [1, 2]});"
        "assert not {'matplotlib.pyplot', 'scipy', 'sklearn', 'PIL.ImageTk'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_callers_style_does_not_show_in_our_figures(tmp_path):
    import matplotlib

    plain = plots.save_figure(plots.plot_confusion_matrix(evaluation()), tmp_path, "plain")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.usetex": True}):
        odd = plots.save_figure(plots.plot_confusion_matrix(evaluation()), tmp_path, "odd")
    assert plain[0].read_bytes() == odd[0].read_bytes()


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1e-6, "10⁻⁶"), (0.01, "0.01"), (100, "100"), (1e4, "10⁴"), (2e-5, "2·10⁻⁵"), (0.5, "0.5")],
)
def test_powers_of_ten_are_written_without_mathematics_mode(value, shown):
    assert style.power(value) == shown


@pytest.mark.parametrize(("value", "shown"), [(0.0249, "0.0249"), (0.99, "0.990"), (0.0004, "0.0004"), (123.4, "123")])
def test_numbers_are_shown_with_three_digits_that_count(value, shown):
    assert digits(value) == shown


def test_an_undefined_score_is_a_dash():
    assert style.interval_text(Score(None, None, None)) == "–"


def test_a_figure_is_in_english_and_says_so_where_no_font_has_chinese_signs(monkeypatch):
    monkeypatch.setattr(signs, "_missed", set())
    i18n.set_language("zh")
    monkeypatch.setattr(signs, "has_wide", lambda: True)
    assert plots.plot_confusion_matrix(evaluation()).axes[0].get_xlabel() == "预测"
    assert plots.font_note() == ""
    monkeypatch.setattr(signs, "has_wide", lambda: False)
    assert plots.plot_confusion_matrix(evaluation()).axes[0].get_xlabel() == "prediction"
    assert "fonts-noto-cjk" in plots.font_note()


def test_chinese_names_count_double_and_are_noted_where_no_font_has_their_signs(monkeypatch):
    monkeypatch.setattr(signs, "_missed", set())
    monkeypatch.setattr(signs, "has_wide", lambda: False)
    assert style.clean("塑料瓶和金属罐", 8) == "塑料瓶…"
    assert signs.columns("塑料ab") == 6
    assert "boxes" in plots.font_note()

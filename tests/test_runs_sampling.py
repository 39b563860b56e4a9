"""A page of a large run shows a sample of its photos, says so, and counts all of them."""

import re
from pathlib import Path

import numpy as np
import pytest

from finished import Finished
from penult import report, runs
from penult.report import page
from penult.runs.sampling import RowColumns
from sealing import seal


@pytest.fixture
def run(finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Finished:
    monkeypatch.setattr(page, "MOST", 20)
    return finished.copy(tmp_path)


def text(run: Finished) -> str:
    report.rebuild(run.folder)
    return (run.folder / "report.html").read_text()


def test_the_page_says_what_it_shows_and_counts_every_photo(run: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = text(run)
    assert "a sample of 20 of 44 photos" in sample
    monkeypatch.setattr(page, "MOST", 44)
    whole = text(run)
    assert "a sample of" not in whole
    told = re.compile(r"[\d,]+ (?:misclassified photos?|training photos?|photos? with|suspected|possible)[^<]*")
    assert told.findall(sample) == told.findall(whole) != []
    gallery = re.compile(r'<section id="mistakes">.*?</section>', re.DOTALL)
    assert gallery.findall(sample) == gallery.findall(whole) != []


def test_tables_read_row_by_row_give_the_sample_of_the_results_in_memory(run: Finished) -> None:
    from_tables = text(run)
    report.write_report(runs.read_run(run.folder))
    assert (run.folder / "report.html").read_text() == from_tables
    lines = (run.folder / "oof.csv").read_text().splitlines(keepends=True)
    (run.folder / "oof.csv").write_text("".join([lines[0], *lines[:0:-1]]))  # in another order
    seal(run.folder)
    assert text(run) == from_tables
    (run.folder / "map.csv").unlink()
    metrics = run.metrics
    del metrics["files"]["map.csv"]
    run.change(metrics)
    read = runs.read_run(run.folder, 20)
    assert len(read.rows.files) == 20 and read.counted.photos == 44 and read.rows.places is None


def test_what_tells_most_is_in_the_sample_and_neighbors_are_by_their_places_in_it() -> None:
    rng = np.random.default_rng(0)
    n = 5000
    wrong, flagged = rng.random(n) < 0.1, rng.random(n) < 0.1
    sure, own = rng.random(n), rng.random(n)
    columns = RowColumns(np.ones(n, bool), wrong, sure, own, flagged, flagged)
    chosen = columns.choose(1000)
    assert len(chosen) == 1000 and (np.diff(chosen) > 0).all() and np.array_equal(chosen, columns.choose(1000))
    surest = np.flatnonzero(wrong)[np.argsort(-sure[wrong])][:200]
    assert np.isin(surest, chosen).all() and np.isin(np.argsort(sure)[:200], chosen).all()
    assert (~wrong & ~flagged & (sure > 0.5))[chosen].sum() > 0
    assert columns.totals == runs.RowTotals(n, n, int(wrong.sum()), int(flagged.sum()), int((wrong & ~flagged).sum()))
    near = runs.sampling.within(np.array([[7, 3, 9]]), np.array([3, 7, 8]), 10)
    assert near.tolist() == [[1, 0, -1]]

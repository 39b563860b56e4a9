"""Answers as Parquet shards are the answers of `predict`; the same command goes on, and other things are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import penult
from finished import Finished
from penult.errors import InputError
from penult.predict.answer_shards import AnswerWriter, prepare_answers
from penult.shards import make_ready, run_shards

pq = pytest.importorskip("pyarrow.parquet", reason="needs the extra `cloud`")


@pytest.fixture
def source(photos: Callable[..., Path]) -> Path:
    folder = photos("new", first=70, warm=7, cold=6)
    (folder / "warm" / "cut.png").write_bytes(b"no picture")
    return folder


def test_answers_are_those_of_predict(finished: Finished, source: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "answers")
    prepare_answers(str(finished.folder), str(source), out, rows=5)
    first = run_shards(out, part=(1, 2), make=AnswerWriter)
    assert first.manifest is None
    assert first.left
    whole = run_shards(out, make=AnswerWriter).manifest
    assert whole is not None
    assert (whole.images, whole.failed) == (14, 1)
    rows = {row["id"]: row for file in (tmp_path / "answers/shards").iterdir() for row in pq.read_table(file).to_pylist()}
    expected = penult.load_model(finished.folder).predict([source / name for name in rows])
    for answer, row in zip(expected, rows.values(), strict=True):
        assert row["label"] == answer.label
        np.testing.assert_allclose(row["probabilities"] or [], list(answer.probabilities.values()), rtol=1e-6)
        for name in ("confidence", "novelty"):
            assert row[name] == (pytest.approx(getattr(answer, name)) if answer.failure is None else None)
        assert row["reason"] == (answer.failure and answer.failure.reason)
    about = pq.read_metadata(next((tmp_path / "answers/shards").iterdir())).metadata
    assert json.loads(about[b"penult.classes"]) == list(expected.classes)
    prepare_answers(str(finished.folder), str(source), out)
    assert run_shards(out, make=AnswerWriter).done == 0


def test_a_place_of_something_else_is_refused(finished: Finished, source: Path, tmp_path: Path) -> None:
    from penult import zoo

    out = str(tmp_path / "features")
    make_ready(str(source), out, [zoo.find_backbone("colour_histogram")], rows=5)
    with pytest.raises(InputError, match="holds features"):
        prepare_answers(str(finished.folder), str(source), out)
    answers = tmp_path / "answers"
    with pytest.raises(InputError, match=r"is a plan of `penult plan`, .* otherwise give the source of the plan"):
        prepare_answers(str(finished.folder), f"{out}/plan.parquet", str(answers))
    assert not answers.exists()
    prepare_answers(str(finished.folder), str(source), str(answers))
    with pytest.raises(InputError, match="planned otherwise"):
        prepare_answers(str(finished.folder), str(tmp_path), str(answers))
    (answers / "model.penult").write_bytes(b"another")
    with pytest.raises(InputError, match="another model"):
        prepare_answers(str(finished.folder), str(source), str(answers))


def test_the_command_writes_them_part_by_part(
    finished: Finished, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from penult.cli import main

    out = tmp_path / "answers"
    command = ["predict", str(finished.folder), str(source), "--out", str(out), "--rows", "5"]
    assert main([*command, "--part", "1/2"]) == 0
    assert "still with the other parts" in capsys.readouterr().out
    assert main([*command, "--part", "2/2"]) == 0
    printed = capsys.readouterr()
    assert "14 images: 13 have answers, 1 failed" in printed.out
    assert "'warm/cut.png'" in printed.err
    assert (out / "manifest.json").exists()
    assert main([*command, "--strict"]) == 3
    assert main(["embed", str(source), "--out", str(out), "-q"]) == 1
    assert "holds answers of a model" in capsys.readouterr().err
    for command in (
        ["train", str(out), "--out", str(tmp_path / "run")],
        ["predict", str(finished.folder), "--features", str(out)],
    ):
        assert main([*command, "-q"]) == 1
        assert "answers holds answers of a model, which `penult predict --out` wrote, not feat" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["predict", str(finished.folder), "--features", str(out), "--out", str(tmp_path / "x")])
    assert "--out needs the images themselves" in capsys.readouterr().err
    for wrong in (["--part", "1/2"], ["--out", str(out), "--csv", "x.csv"], ["--on", "ray"]):
        with pytest.raises(SystemExit):
            main(["predict", str(finished.folder), str(source), *wrong])

"""The command line: data on standard output, the rest on standard error, one line for a refusal, exit codes 0, 1, 2."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from finished import Finished, finish, lay_out
from penult import bundle
from penult.cli import main

Photos = Callable[..., Path]
SMALL = ["-b", "colour_histogram"]


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = main([str(w) for w in words])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    base = tmp_path_factory.mktemp("job") / "base"
    lay_out(base / "train", warm=9, cold=9)
    return finish(base, test=False)


@pytest.fixture
def trained(trained_once: Finished, tmp_path: Path) -> Path:
    """A finished run of the test's own, beside its photos in `train`."""
    return trained_once.copy(tmp_path).folder


def test_train_says_device_precision_counts_and_scores(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos("train", warm=9, cold=9) / "warm" / "bad.jpg").write_bytes(b"")
    code, out, err = run(
        capsys,
        "train",
        tmp_path / "train",
        *SMALL,
        "--out",
        tmp_path / "run",
        "--test",
        photos("new", first=70, any=2),
        "-v",
    )
    assert code == 0
    assert re.search(r"^\d\d:\d\d:\d\d measuring: done in ", err, re.MULTILINE)  # with -v every step with its time
    assert "21 images on cpu (" in out
    assert "20 computed, 0 from cache, 1 failed" in out
    assert "accuracy 100%" in out
    assert "skipped.csv" in out
    assert "sub-folders of" in out


def test_train_as_json_is_one_object_with_the_same_numbers(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run(capsys, "train", photos("train", warm=9, cold=9), *SMALL, "--out", tmp_path / "run", "--json")
    assert code == 0
    said, kept = json.loads(out), json.loads((tmp_path / "run/metrics.json").read_text())
    assert said["run"] == str(tmp_path / "run")
    assert said["scores"] == kept["scores"]


def test_predict_prints_one_line_an_image(trained: Path, photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    new = photos("new", first=40, warm=2, cold=1)
    code, out, _ = run(capsys, "predict", trained, new)
    assert code == 0
    assert [line.split()[1:] for line in out.splitlines()] == [
        ["cold", "cold/cold.40.png"],
        ["warm", "warm/warm.40.png"],
        ["warm", "warm/warm.41.png"],
    ]


def test_predict_writes_csv_and_json(
    trained: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=40, warm=2)
    code, out, _ = run(capsys, "predict", trained / "model.penult", new, "--csv", tmp_path / "out.csv")
    assert code == 0
    assert "2 predictions written" in out
    with (tmp_path / "out.csv").open(newline="") as file:
        assert next(csv.reader(file)) == ["file", "label", "confidence", "cold", "warm", "novelty"]
    _, out, _ = run(capsys, "predict", trained, new, "--json")
    assert [p["label"] for p in json.loads(out)] == ["warm", "warm"]


def test_predict_marks_an_unreadable_image_and_names_it_on_standard_error(
    trained: Path, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=40, warm=2)
    (new / "warm" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    for words in ((), ("--csv", tmp_path / "out.csv"), ("--json",)):
        code, out, err = run(capsys, "predict", trained, new, *words)
        assert code == 0
        assert "1 of 3 images cannot be read: 'warm/bad.jpg' (damaged). 1 damaged: copy it again" in err
        assert words or "(unreadable: " in out


@pytest.mark.parametrize("command", ["predict", "evaluate", "embed", "explain", "similar"])
def test_where_no_image_can_be_read_each_command_is_an_error_with_the_reasons(
    command: str, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Answers that are nothing but the prior, and a file of no rows, would look like a result."""
    bad, out_file = tmp_path / "new" / "warm", tmp_path / "out"
    bad.mkdir(parents=True)
    for i in range(12):
        (bad / f"{i}.jpg").write_bytes(b"" if i % 2 else b"text")
    words: dict[str, tuple[object, ...]] = {
        "predict": (trained, bad.parent, "--csv", out_file),
        "evaluate": (trained, bad.parent),
        "embed": (bad.parent, "-b", "colour_histogram", "--out", f"{out_file}.h5"),
        "explain": (trained, bad.parent, "--out", out_file),
        "similar": (trained, bad.parent, "--csv", out_file),
    }
    code, out, err = run(capsys, command, *words[command])
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert "none of the 12 images" in err
    assert "6 empty: copy it again" in err and "6 not an image: remove it" in err
    assert command == "embed" or "and 2 more" in err
    assert not list(tmp_path.glob("out*"))


def test_evaluate_measures_new_labelled_photos(trained: Path, photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    new = photos("new", first=40, warm=5, cold=4)
    code, out, _ = run(capsys, "evaluate", trained, new)
    assert code == 0
    assert "on 9 images" in out
    assert "accuracy 100%" in out
    _, out, _ = run(capsys, "evaluate", trained, new, "--json")
    assert json.loads(out)["confusion"] == [[4, 0], [0, 5]]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (0, 3, ""),
        (1, 3, "1 of the 8 photos was in the training set, so the scores are too good; use photos that the model"),
        (4, 2, "8 of the 12 photos were in the training set"),
        (2, 0, "all 4 photos were in the training set"),
    ],
)
def test_evaluate_says_which_photos_the_model_learnt_from(
    old: int, new: int, says: str, trained: Path, tmp_path: Path, photos: Photos, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exact copies are told by their digests, whatever they are called and wherever they lie; others are not."""
    folder = photos("new", first=40, warm=new, cold=new + (old == 1)) if new else tmp_path / "new"
    for kind in ("warm", "cold"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for i, photo in enumerate(sorted((tmp_path / "train" / kind).iterdir())[: old if old != 1 or kind == "warm" else 0]):
            shutil.copy(photo, folder / kind / f"renamed {i}{photo.suffix}")
    code, out, _ = run(capsys, "evaluate", trained, folder)
    assert code == 0
    assert ("in the training set" in out) == bool(says)
    assert says in out
    told = json.loads(run(capsys, "evaluate", trained, folder, "--json")[1])
    assert told["in_training"] == (1 if old == 1 else 2 * old)
    nothing = "These are training photos of this model: the scores mean nothing for new photos."
    assert told["verdict"].startswith(nothing) is (nothing in out) is (new == 0)
    assert ("not trained on" in out) is bool(old and new)
    unseen = told["not_in_training"]
    assert unseen["measured"] == told["measured"] - told["in_training"] if old and new else unseen is None


def test_evaluate_with_a_model_that_does_not_know_its_photos_says_nothing_of_them(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Models of older versions have no list of digests, and work as before."""
    bundle.save_bundle(tmp_path / "old.penult", replace(bundle.load_bundle(trained), seen=None))
    code, out, _ = run(capsys, "evaluate", tmp_path / "old.penult", tmp_path / "train", "--json")
    assert (code, json.loads(out)["in_training"]) == (0, None)


def test_evaluate_needs_labels_that_the_model_knows(trained: Path, photos: Photos, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "evaluate", trained, photos("new", first=40, bird=2))
    assert (code, out) == (1, "")
    assert "bird" in err


def test_embed_writes_the_seeds_layout(photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import h5py

    code, out, _ = run(capsys, "embed", photos("train", warm=3, cold=4), *SMALL, "--out", tmp_path / "f.h5")
    assert code == 0
    assert "7 computed" in out
    with h5py.File(tmp_path / "f.h5") as h:
        assert h["train"].shape[0] == 7
        assert h["label"][:].tolist() == [0, 0, 0, 0, 1, 1, 1]
    code, out, _ = run(capsys, "embed", photos("flat", any=3) / "any", *SMALL, "--out", tmp_path / "g.h5")
    assert code == 0
    with h5py.File(tmp_path / "g.h5") as h:
        assert "label" not in h


def test_embed_with_several_backbones_writes_a_file_each(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(
        capsys,
        "embed",
        photos("train", warm=3, cold=4),
        *SMALL,
        "-b",
        "efficientnet_lite0",
        "--out",
        tmp_path / "f.h5",
    )
    assert sorted(p.name for p in tmp_path.glob("f*.h5")) == [
        "f_colour_histogram.h5",
        "f_efficientnet_lite0.h5",
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        *(
            (["embed", "photos", *SMALL, "--out", f"x{end}"], f"--out x{end} has the ending of a file of another kind")
            for end in (".npy", ".npz", ".csv", ".parquet", ".h5.gz", ".json", ".pkl")
        ),
        *(
            (["predict", "nothing.penult", "photos", "--csv", f"x{end}"], f"--csv x{end} ends in .")
            for end in (".xlsx", ".json", ".tsv", ".csv.gz", ".h5")
        ),
        (["audit", "photos", "--csv", "x.xlsx"], "--csv x.xlsx would be written as a CSV table"),
        (["similar", "run", "photos", "--csv", "x.json"], "give a name that ends in .csv or .txt, such as x.csv"),
        (["embed", "photos", "--out", "x.h5", "--part", "1/2"], "--part is for shards, and --out x.h5 is one file"),
        (["embed", "photos", "--out", "x", "--part", "3/2"], "--part '3/2' is no part of a whole"),
        (["embed", "photos", "--out", "http://host/x"], "is no place for shards; give a folder, or an address such as s3"),
        (
            ["explain", "nothing.penult", "photos", "--out", "heat.png"],
            "--out heat.png is to be a folder, and its name is that",
        ),
        (["compare", "photos", "--out", "table.csv"], "name a folder, such as table."),
        (["train", "photos", "--out", "model.penult"], "name a folder, such as model."),
    ],
)
def test_a_name_that_promises_another_format_is_refused_before_anything_is_computed(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written under a name is what its ending says; neither photos nor model are looked at before."""
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert (code, out) == (1, "")
    assert says in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["f.h5", "f.HDF5"])
def test_features_are_written_under_the_very_name(
    name: str, photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, _ = run(capsys, "embed", photos("train", warm=2, cold=2), *SMALL, "--out", tmp_path / name)
    assert code == 0
    assert (tmp_path / name).read_bytes().startswith(b"\x89HDF")


@pytest.mark.parametrize("shift", [1, 5])
def test_feature_files_whose_labels_begin_elsewhere_are_trained_on(
    shift: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The classes are called as the labels are, a note says so, and what is refused are rows, not images."""
    import h5py

    y = np.repeat([0, 1], 20)
    with h5py.File(tmp_path / "m.h5", "w") as h:
        h["train"] = np.random.default_rng(0).normal(size=(40, 8)).astype("f4") + 3 * y[:, None]
        h["label"] = y + shift
    code, out, _ = run(capsys, "train", "--features", tmp_path / "m.h5", "--out", tmp_path / "run", "-v")
    assert code == 0
    assert f"m.h5 are numbers ({shift}, {shift + 1}), which name the classes" in out
    assert f"classes: {shift} 20, {shift + 1} 20" in out
    with h5py.File(tmp_path / "m.h5", "a") as h:
        h["label"][:2] = 77, 78
    code, _, err = run(capsys, "train", "--features", tmp_path / "m.h5", "--out", tmp_path / "run", "-q")
    assert code == 1
    assert "fewer than two rows of the feature files have the label: 77 (1), 78 (1); add rows" in err


def test_training_and_predicting_from_feature_files(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    h5 = trained / "data_colour_histogram.h5"
    code, out, err = run(capsys, "train", "--features", h5, "--out", tmp_path / "again")
    assert (code, err) == (0, "")
    assert out.startswith("100% accuracy")
    code, out, _ = run(capsys, "predict", tmp_path / "again", "--features", h5)
    assert code == 0
    assert len(out.splitlines()) == 18


def test_options_may_stand_between_the_model_and_the_images(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = sorted((tmp_path / "train").rglob("*.png"))[0]
    answers = [run(capsys, "predict", *words) for words in ([trained, photo, "-q"], [trained, "-q", photo])]
    assert answers[0] == answers[1] and answers[0][0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "nowhere"], "nowhere"),
        (["train", "photos", "-b", "efficientnet_light0"], "unknown backbone 'efficientnet_light0'"),
        (["train", "photos", "--head", "forest"], "unknown head 'forest'"),
        (["train", "photos", "--clip", "0.9"], "--clip '0.9' is not"),
        (["train", "photos", "--precision", "int8"], "int8"),
        (["predict", "nothing.penult", "photos"], "there is no model at nothing.penult"),
        (["evaluate", "nothing.penult", "photos"], "there is no model at nothing.penult"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_1(
    words: list[str], says: str, photos: Photos, in_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos("photos", warm=3, cold=3)
    code, out, err = run(capsys, *words)
    assert (code, out) == (1, "")
    assert err.startswith("penult: ")
    assert err.count("\n") == 1
    assert says in err


@pytest.mark.parametrize(
    "words",
    [
        ["train"],
        ["train", "a", "--features", "b"],
        ["train", "--features", "b", "--test", "c"],
        ["fly"],
        ["predict", "m"],
    ],
)
def test_wrong_usage_is_exit_code_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2
    assert "usage: penult" in capsys.readouterr().err


def test_a_name_that_is_not_utf8_goes_all_the_way_through(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photos("train", warm=6, cold=6)
    test = photos("test", first=30, any=1)
    odd = os.fsdecode(os.fsencode(test / "any") + b"/\xff\xfe,\n.png")
    Path(odd).write_bytes((test / "any" / "any.30.png").read_bytes())
    code, _, err = run(capsys, "train", folder, "--test", test, *SMALL, "--out", tmp_path / "run")
    assert (code, err) == (0, "")
    assert b"\xff\xfe,\n.png" in (tmp_path / "run/predictions.csv").read_bytes()
    code, out, _ = run(capsys, "predict", tmp_path / "run", odd)
    assert code == 0
    assert r"\xff\xfe,\n.png" in out


def test_help_names_the_heads_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    from penult import heads

    files = {path.stem for path in Path(heads.methods.__file__).parent.glob("[a-z]*.py")}
    assert set(heads.head_names()) == files
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    assert f"one of {', '.join(heads.head_names())} (default: blend, the average of logistic and lda; " in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize(("kind", "code", "how"), [("SIGINT", 130, "interrupted"), ("SIGTERM", 143, "ended from outside")])
def test_an_ended_run_says_how_to_go_on_and_loses_no_features(
    photos: Photos, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str, code: int, how: str
) -> None:
    program = (  # a job in the background starts with SIGINT ignored; the signal comes amid the second half of a run
        "import os, signal, sys, time; from penult.training import trainer; from penult.cli import main; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); "
        f"trainer.learn = lambda *_, **__: (os.kill(os.getpid(), signal.{kind}), time.sleep(60)); sys.exit(main())"
    )
    words = ["train", str(photos("train", warm=6, cold=6)), *SMALL, "--head", "centroid", "--out", str(tmp_path / "run")]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].startswith(f"penult: {how}; features computed so far are in the cache")
    assert "Traceback" not in done.stderr
    again = run(capsys, *words, "-v")
    assert again[0] == 0
    assert "0 computed, 12 from cache, 0 failed" in again[1]

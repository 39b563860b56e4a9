"""`penult evaluate` with gates: exit code 5 where a score is not reached, and never a traceback whatever the labels are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from finished import Finished
from penult import evaluate
from penult.cli import main
from penult.errors import InputError, UnknownName
from penult.evaluate.gates import parse_gates

Photos = Callable[..., Path]
RESULT = evaluate.score(
    np.array([0, 0, 0, 1]), np.array([[0.9, 0.1, 0], [0.8, 0.2, 0], [0.4, 0.6, 0], [0.3, 0.7, 0]]), ("cat", "dog", "owl")
).to_dict()


@pytest.mark.parametrize(
    ("accuracy", "loss", "recalls", "missed"),
    [
        ("0.75", None, [], ""),
        ("75.1%", None, [], "accuracy 75.0% is below 75.1% (--min-accuracy 0.751)"),
        (None, "0.45", [], ""),
        (None, "0.4", [], "log loss "),
        (None, None, ["dog=1", "cat=0.6"], ""),
        (None, None, ["cat=70%"], "recall of 'cat' 66.7% is below 70.0% (--min-recall cat=0.7)"),
        (None, None, ["owl=0"], "recall of 'owl' is not known, since there is no image of 'owl'"),
    ],
)
def test_a_gate_is_met_or_says_by_what_it_was_missed(
    accuracy: str | None, loss: str | None, recalls: list[str], missed: str
) -> None:
    gates = parse_gates(accuracy, loss, recalls, ("cat", "dog", "owl"))
    told = [gate.describe(RESULT) for gate in gates if not gate.is_met(RESULT)]
    assert len(told) == bool(missed)
    assert all(missed in text and text.startswith("gate missed: ") for text in told)


def test_what_is_no_bound_is_refused() -> None:
    for text in ("90", "-0.1", "nan", "much", "101%"):
        with pytest.raises(InputError, match="is not a share from 0 to 1; give one, such as"):
            parse_gates(text)
    with pytest.raises(InputError, match="--max-log-loss '-1' is not a number from 0 up"):
        parse_gates(None, "-1")
    with pytest.raises(InputError, match="names no class; give CLASS=P, such as cat"):
        parse_gates(recalls=["0.9"], classes=("cat",))
    with pytest.raises(UnknownName, match="did you mean cat"):
        parse_gates(recalls=["cats=0.9"], classes=("cat", "dog"))


@pytest.mark.parametrize("counts", [{"warm": 3}, {"cold": 1}, {"warm": 2, "cold": 2}], ids=str)
def test_a_class_without_photos_one_photo_and_all_right(
    finished: Finished, photos: Photos, counts: dict[str, int], capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=200, **counts)
    assert main(["evaluate", str(finished.folder), str(new), "--min-accuracy", "1", "--max-log-loss", "9"]) == 0
    told = capsys.readouterr().out
    assert told.count("gate met: ") == 2
    assert [line.split()[-2] for line in told.splitlines() if line.split()[0] in {"warm", "cold"}] == [
        "100%" if name in counts else "–" for name in ("cold", "warm")
    ]


def test_all_wrong_and_a_class_that_the_model_does_not_know(
    finished: Finished, photos: Photos, capsys: pytest.CaptureFixture[str]
) -> None:
    new = photos("new", first=200, warm=2, cold=2)
    for old, name in (("warm", "x"), ("cold", "warm"), ("x", "cold")):
        (new / old).rename(new / name)
    asked = ["evaluate", str(finished.folder), str(new), "-q", "--min-accuracy", "0.5", "--min-recall", "warm=0.1"]
    assert main([*asked, "--json"]) == 5
    gates = json.loads(capsys.readouterr().out)["gates"]
    assert [(one["gate"], one["found"], one["met"]) for one in gates] == [("min-accuracy", 0, False), ("min-recall", 0, False)]
    assert gates[1]["class"] == "warm"
    (new / "warm").rename(new / "bird")
    assert main(asked) == 1
    assert "not classes of the model: 'bird'" in capsys.readouterr().err

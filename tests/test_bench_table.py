"""The table of `benchmarks/bench.py` is printed when one of its environments is missing."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_what_did_not_run_is_named_and_what_ran_is_shown(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from peers.table import render

    missing = {"error": "no environment for torch"}
    told = {"rate": 10.0, "steady": 9.0, "engine": 11.0, "first_s": 1.0, "images": 10, "noise": 0.0, "versions": {}}
    contest = "ResNet50, 224 pixels"
    runs = {"ceiling": [missing], f"{contest}/timm, eager": [missing], f"{contest}/penult bf16": [told]}
    facts = {"scale": "quick", "only": "", "repeats": 1, "machine": "m", "date": "d", "minutes": 1, "photos": "p"}
    page = render({**facts, "runs": runs})
    assert "not run: no environment for torch" in page
    assert "penult bf16" in page and "timm, eager †" not in page

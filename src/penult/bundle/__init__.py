"""The model file `model.penult`: save and load, whole or not at all, and nothing in it can run.

A zip whose members are stored, never compressed: `SHA256SUMS`, `bundle.json`, `graphs/N.onnx`, and arrays as `head/NAME.npy`,
`selftest/NAME.npy`, `novelty/NAME.npy`, `seen/digests.npy` and `reference/NAME.npy`. No pickle. Every member is checked
against its sha256 before it is parsed; since who means harm writes checksums as well, everything behind them is checked by
what it says, too.
"""

from __future__ import annotations

from penult.bundle.model import (
    FORMAT,
    Bundle,
    decision_facts,
    decision_of,
    held_prior,
    precision_here,
    seen_digests,
    training_prior,
    were_seen,
)
from penult.bundle.model_file import load_bundle, model_path, read_bundle, save_bundle

__all__ = [
    "FORMAT",
    "Bundle",
    "decision_facts",
    "decision_of",
    "held_prior",
    "load_bundle",
    "model_path",
    "precision_here",
    "read_bundle",
    "save_bundle",
    "seen_digests",
    "training_prior",
    "were_seen",
]

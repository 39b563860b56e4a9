"""Fuzz the readers: valid files, changed a little where it hurts, their checksums made right again.

`python tests/fuzzing.py --seconds 600` (`make fuzz`) does it for as long as is asked, with new seeds each round; the tests
do a few rounds with fixed ones. What must hold: a reader raises a `PenultError` or nothing, takes bounded memory, and the file
that was not changed is read. An example that breaks it is made smaller and shown by hypothesis.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import hostile
import hostile_files
import hostile_models
from onnxnets import classifier
from penult.errors import PenultError

ALLOWED = 100 << 20
SLOW = 20.0  # seconds; only asked for in a long run
Edit = tuple[str, int, Any]
Change = Callable[[bytes, Sequence[Edit]], bytes]

ODD_BYTES = [
    b"\0", b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0\0\0\x80", b"[" * 300, b'"', b"\n", b",", b"PK\1\2", b"PK\3\4",
    b"PK\5\6", b"(1, 2)", b"999999999999", b"-1", b"|O", b"R", b".", b"NaN", b"../",
]  # fmt: skip
ODD_VALUES = [
    None, True, -1, 0, 1, 2, 3, 10**9, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "1", "unit", "none", [],
    {}, [0.5, 0.5], [1], [-1], ["cat", "dog"], {"a": 1}, [[]], "x" * 5000, "linear", "kernel", "neighbours", "int8",
]  # fmt: skip

_AT, _ODD = st.integers(0, 1 << 20), st.sampled_from(ODD_VALUES) | st.integers() | st.text(max_size=9)
edits = st.lists(
    st.one_of(
        st.tuples(st.just("flip"), _AT, st.integers(0, 7)),
        st.tuples(st.sampled_from(["put", "over"]), _AT, st.sampled_from(ODD_BYTES) | st.binary(max_size=6)),
        st.tuples(st.sampled_from(["drop", "twice"]), _AT, st.integers(1, 200)),
        st.tuples(st.just("cut"), _AT, st.none()),
        st.tuples(st.sampled_from(["value", "gone"]), _AT, _ODD),
    ),
    min_size=1,
    max_size=5,
)


# --- changes ---


def bytes_changed(data: bytes, made: Sequence[Edit]) -> bytes:
    """Return bytes with edits of bytes; those of values are left out."""
    out = bytearray(data)
    for kind, number, what in made:
        at = number % (len(out) + 1)
        if kind == "flip" and out:
            out[at % len(out)] ^= 1 << what
        elif kind == "put":
            out[at:at] = what
        elif kind == "over":
            out[at : at + len(what)] = what
        elif kind == "drop":
            del out[at : at + what]
        elif kind == "twice":
            out[at:at] = out[at : at + what]
        elif kind == "cut":
            del out[at:]
    return bytes(out)


def json_changed(data: bytes, made: Sequence[Edit]) -> bytes:
    """Return JSON with other values somewhere in it; edits of bytes count where there are none of values."""
    if not any(kind in {"value", "gone"} for kind, _, _ in made):
        return bytes_changed(data, made)
    told = json.loads(data)
    for kind, number, what in made:
        spots = list(_spots(told))
        if kind not in {"value", "gone"} or not spots:
            continue
        holder, key = spots[number % len(spots)]
        if kind == "gone":
            del holder[key]
        else:
            holder[key] = copy.deepcopy(what)  # a list that is put into itself has no end
    return json.dumps(told).encode()


def _spots(value: Any) -> Any:
    """Yield every place in plain JSON values: what holds it, and its key or number."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        yield value, key
        yield from _spots(inner)


def model_changed(data: bytes, made: Sequence[Edit]) -> bytes:
    """Return a model with one member changed, or its zip; the checksums fit the members."""
    which = made[0][1]
    parts = dict(hostile_models.members())
    names = sorted(parts)
    if which % 8 == 0:
        return bytes_changed(hostile_models.packed(parts), made)
    name = "bundle.json" if which % 8 < 5 else names[which % len(names)]
    change = json_changed if name == "bundle.json" else bytes_changed
    return hostile_models.packed({**parts, name: change(parts[name], made)})


@dataclass(frozen=True)
class Target:
    """A reader: a valid file's name and bytes, how it is changed, and how it is read."""

    name: str
    data: Callable[[], bytes]
    change: Change
    read: Callable[[Path], Any]


def _read_model(path: Path) -> Any:
    """Load, and score a row: what is accepted must answer with numbers."""
    from penult import bundle
    from penult.predict import Predictor

    model = bundle.load_bundle(path)
    predictor = Predictor(model, check=False)
    X = np.linspace(-1, 1, sum(model.widths), dtype=np.float32)[None]
    proba = predictor.score(X)
    assert np.isfinite(proba).all() and abs(proba.sum() - 1) < 1e-6, proba
    predictor.novelty(X)
    return proba


def _read_shard(path: Path) -> Any:
    """A shard goes by the name that its content has, so that the name refuses nothing."""
    import zipfile

    named = path
    try:
        with zipfile.ZipFile(path) as archive:
            content = b"".join(archive.read(name) for name in ("digests.npy", "vectors.npy"))
            named = path.with_name(f"shard-{hashlib.sha256(content).hexdigest()[:16]}.npz")
    except Exception:
        pass
    path.replace(named)
    try:
        return hostile.read_shard(named)
    finally:
        named.unlink()


def _read_npy(path: Path) -> Any:
    from penult import untrusted

    return _ours(lambda: untrusted.parse_npy(path.read_bytes()).sum())


def _read_json(path: Path) -> Any:
    from penult import untrusted

    return _ours(lambda: untrusted.parse_json(path.read_bytes()))


def _ours(read: Callable[[], Any]) -> Any:
    """These say what is wrong by `ValueError`; their callers put a name and a cure to it."""
    try:
        return read()
    except ValueError as error:
        raise PenultError(str(error)) from error


def _read_graph(path: Path) -> Any:
    """What is looked at before any library sees it, and what the library then says of the rest."""
    from penult.zoo import onnx_source

    return onnx_source.read(path)[1]


def _file(make: Callable[[Path], Path]) -> Callable[[], bytes]:
    def data() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            return make(Path(folder)).read_bytes()

    return data


LIST = b"file,label,group\n" + b"".join(b"%s%d.png,%s,%d\n" % (c, i, c, i) for c in (b"cold", b"warm") for i in (0, 1))
TARGETS = (
    Target("m.penult", _file(hostile_models.good_model), model_changed, _read_model),
    Target("s.npz", _file(hostile_files.good_shard), bytes_changed, _read_shard),
    Target("list.csv", lambda: LIST, bytes_changed, hostile.read_list),
    Target("sample.csv", lambda: b"id,label\ncold0,0.5\nwarm0,0.5\n", bytes_changed, hostile.read_sample),
    Target("moves.csv", lambda: b"file,to\nwarm0.png,new/\nwarm1.png,cold/a.png\n", bytes_changed, hostile.read_moves),
    Target("a.npy", lambda: hostile_models.npy(np.arange(12.0).reshape(3, 4)), bytes_changed, _read_npy),
    Target("a.json", lambda: hostile_models.members()["bundle.json"], json_changed, _read_json),
    Target("net.onnx", lambda: classifier().SerializeToString(), bytes_changed, _read_graph),
    Target("s.json", lambda: b'{"images_per_second": 3.5, "backbone": "x"}', json_changed, hostile.read_speed),
)


# --- runs ---


def one(target: Target, data: bytes, folder: Path, slow: float | None, good: bool = False) -> str:
    """Read one file; return what became of it. Raises whatever must not be raised."""
    hostile_files.photos(folder) if target.name.endswith(".csv") else None
    path = folder / target.name
    path.write_bytes(data)
    linux = sys.platform == "linux"
    before = 0
    if linux:
        hostile._reset_peak()
        before = hostile._memory("VmRSS")
    began = time.monotonic()
    try:
        answer = "accepted" if target.read(path) is not None else "refused"
    except PenultError as error:
        assert not good, error
        assert 5 < len(str(error)) < hostile.LONGEST, len(str(error))
        answer = "refused"
    if linux:
        assert hostile._memory("VmHWM") - before < ALLOWED + len(data), "memory"
    assert slow is None or time.monotonic() - began < slow, "it took too long"
    return answer


def fuzz(target: Target, number: int, examples: int, folder: Path, slow: float | None = None) -> Counter[str]:
    """Read `examples` changed files of one target, the seed being `number`."""
    valid, found = target.data(), Counter[str]()
    one(target, valid, folder, slow, good=True)

    @seed(number)
    @settings(
        max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink], print_blob=False,
    )  # fmt: skip
    @given(edits)
    def changed(made: list[Edit]) -> None:
        found[one(target, target.change(valid, made), folder, slow)] += 1

    changed()
    return found


def main() -> int:
    import logging

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=600, help="how long (600)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="where the seeds begin (the time)")
    asked = parser.parse_args()
    logging.disable(logging.CRITICAL)
    end, counts, failed = time.monotonic() + asked.seconds, {t.name: Counter[str]() for t in TARGETS}, 0
    for number in itertools.count(asked.seed):
        for target in TARGETS:
            if time.monotonic() > end or failed:
                break
            try:
                with tempfile.TemporaryDirectory() as folder:
                    counts[target.name] += fuzz(target, number, 200, Path(folder), SLOW)
            except BaseException as error:
                failed = 1
                print(
                    f"{target.name}, seed {number}: {type(error).__name__}: {error}",
                    *getattr(error, "__notes__", ()),
                    sep="\n",
                )
        if time.monotonic() > end or failed:
            break
    for name, found in counts.items():
        print(f"{name:10} {sum(found.values()):8,} files  {dict(found)}")
    print(f"{sum(sum(c.values()) for c in counts.values()):,} files, {failed} of them broke a reader; seeds from {asked.seed}")
    return failed


if __name__ == "__main__":
    sys.exit(main())

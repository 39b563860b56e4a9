"""Files that are no models and were made to do harm: caches, tables, runs, feature files; made in code.

Each table is `name: make`; `make` gets an empty folder and returns what is to be opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from conftest import draw
from hostile_models import GRAPHS, RECIPE, SLOW, Make, npy, sparse, written
from penult.store.shards import write_shard
from tinynet import tiny
from zips import Entry, put, zip64

WIDTH = 5
CLASSES = ("cold", "warm")


def fixed(data: bytes, name: str) -> Make:
    return written(data, name)


# --- shards of the cache: a name that fits, so that everything behind it is reached ---


def rows(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(count)
    return random.integers(0, 256, (count, 32), dtype=np.uint8), random.random((count, WIDTH), np.float32)


def good_shard(folder: Path) -> Path:
    return write_shard(folder, *rows(), "")


def shard(digests: bytes, vectors: bytes, *more: Entry, **lies: Any) -> Make:
    """Return what makes a shard of two members, under the name that they have by their content."""
    name = f"shard-{hashlib.sha256(digests + vectors).hexdigest()[:16]}.npz"
    return fixed(put([Entry("digests.npy", digests, **lies), Entry("vectors.npy", vectors), *more]), name)


_D, _V = npy(rows()[0]), npy(rows()[1])
_wide = zip64(len(_D), 1 << 40)
SHARDS: dict[str, Make] = {
    "a third member": shard(_D, _V, Entry("../../evil.npy", b"")),
    "another order": fixed(put([Entry("vectors.npy", _V), Entry("digests.npy", _D)]), "shard-0000000000000000.npz"),
    "a name that does not fit": fixed(put([Entry("digests.npy", _D), Entry("vectors.npy", _V)]), "shard-0000000000000000.npz"),
    "vectors that are objects": shard(_D, npy(np.array([[print] * WIDTH] * 3, object))),
    "vectors that are a pickle": shard(_D, pickle.dumps(os.getcwd)),
    "vectors NaN": shard(_D, npy(np.full((3, WIDTH), np.nan, np.float32))),
    "vectors of another width": shard(_D, npy(np.zeros((3, 7), np.float32))),
    "vectors that claim 10**12 rows": shard(
        _D, _V[:10] + _V[10:128].replace(b"(3, 5)", b"(999999999999, 5)").ljust(118) + _V[128:]
    ),
    "no rows": shard(npy(np.zeros((0, 32), np.uint8)), npy(np.zeros((0, WIDTH), np.float32))),
    "a terabyte packed": shard(_D, _V, size=_wide[0], packed=_wide[1], extra=_wide[2]),
    "compressed": shard(_D, _V, method=8),
    "a wrong CRC": shard(_D, _V, crc=7),
    "a pipe": lambda folder: fifo(folder / "shard-0000000000000000.npz"),
    "a sparse gigabyte": lambda folder: sparse(folder / "shard-0000000000000000.npz", 1 << 30),
}


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


# --- converted networks, quantised graphs, speeds ---


def shelved(onnx: bytes, **changes: Any) -> Make:
    """Return what makes the folder of a converted network; the sha256 in its record fits."""

    def make(folder: Path) -> Path:
        record = {**tiny().to_dict(), "graph": hashlib.sha256(onnx).hexdigest(), **changes}
        (folder / "graph.onnx").write_bytes(onnx)
        (folder / "record.json").write_text(json.dumps(record))
        return folder

    return make


def recorded(text: bytes) -> Make:
    def make(folder: Path) -> Path:
        (folder / "graph.onnx").write_bytes(tiny().graph())
        (folder / "record.json").write_bytes(text)
        return folder

    return make


SHELF: dict[str, Make] = {
    **{name: shelved(data) for name, data in GRAPHS.items() if name not in SLOW},
    "record: a hundred thousand brackets": recorded(b"[" * 100_000),
    "record: a number": recorded(b"7"),
    "record: three million lists": recorded(b"[" + b"[]," * 3_000_000 + b"1]"),
    "record: recipe of 10**9": shelved(tiny().graph(), recipe={**RECIPE, "size": 10**9}),
    "record: another sum": shelved(tiny().graph(), graph="0" * 64),
    "record: an unknown field": shelved(tiny().graph(), function="os.system"),
    "record: the name is a list": shelved(tiny().graph(), name=["x"]),
    "record: a width of 10**9": shelved(tiny().graph(), width=10**9, parts=[10**9]),
    "record: a pipe": lambda folder: fifo(folder / "record.json").parent,
}


def int8(count: int, rest: bytes, sound: bool = True) -> Make:
    """Return what makes the file of a quantised graph that says how many digests it has."""

    def make(folder: Path) -> Path:
        place = folder / "int8" / ("0" * 32)
        place.mkdir(parents=True)
        body = count.to_bytes(4, "big") + rest
        (place / "a.int8").write_bytes((hashlib.sha256(body).digest() if sound else bytes(32)) + body)
        return folder

    return make


def _small(folder: Path) -> Path:
    (folder / "int8" / ("0" * 32)).mkdir(parents=True)
    (folder / "int8" / ("0" * 32) / "a.int8").write_bytes(hashlib.sha256(b"").digest()[:2])
    return folder


def int8_entry(graph: bytes, images: Any, **changes: Any) -> Make:
    """Return what makes the cache entry of a quantised graph; the sha256 in its record fits."""

    def make(folder: Path) -> Path:
        place = folder / "int8" / ("a" * 32)
        place.mkdir(parents=True)
        record = {"facts": {"backbone_digest": "0" * 64, "images": images}, "sha256": {"graph.onnx": sha256(graph)}, **changes}
        (place / "record.json").write_text(json.dumps(record))
        (place / "graph.onnx").write_bytes(graph)
        return folder

    return make


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


good_int8 = int8(2, bytes(range(64)) + tiny().graph())
INT8: dict[str, Make] = {
    "four billion digests": int8(2**32 - 1, bytes(64)),
    "no digests": int8(0, tiny().graph()),
    "digests to the end": int8(2, bytes(64)),
    "a wrong sum": int8(2, bytes(64) + tiny().graph(), sound=False),
    "two bytes": _small,
    "entry: no digests": int8_entry(tiny().graph(), []),
    "entry: digests that are a number": int8_entry(tiny().graph(), 7),
    "entry: digests that are no hex": int8_entry(tiny().graph(), ["zz"]),
    "entry: a wrong sum": int8_entry(tiny().graph(), ["00" * 32], sha256={"graph.onnx": "0" * 64}),
    "entry: facts that are a list": int8_entry(tiny().graph(), [], facts=["backbone_digest"]),
    **{f"entry: {name}": int8_entry(data, ["00" * 32]) for name, data in GRAPHS.items() if name not in SLOW},
    **{name: int8(1, bytes(32) + data) for name, data in GRAPHS.items() if name not in SLOW},
}


SPEEDS: dict[str, Make] = {
    name: fixed(text, "record.json")
    for name, text in {
        "brackets": b"[" * 90_000,
        "infinite": b'{"images_per_second": Infinity, "sha256": {}}',
        "NaN": b'{"images_per_second": NaN, "sha256": {}}',
        "400 digits": b'{"images_per_second": 1' + b"0" * 400 + b', "sha256": {}}',
        "a list": b"[1]",
        "5 MB": b'{"images_per_second": 3, "sha256": {}}' + b" " * 5_000_000,
    }.items()
}


# --- tables ---


def photos(folder: Path) -> list[str]:
    """Draw four photos of two classes; return their names."""
    names = []
    for kind in CLASSES:
        for i in range(2):
            Image.fromarray(draw(kind, i)).save(folder / f"{kind}{i}.png")
            names.append(f"{kind}{i}.png")
    return names


def listed(text: bytes | Callable[[], bytes], name: str = "list.csv") -> Make:
    def make(folder: Path) -> Path:
        photos(folder)
        (folder / name).write_bytes(text if isinstance(text, bytes) else text())
        return folder / name

    return make


def special(kind: str, header: bytes = b"file,label\n") -> Make:
    """Return what makes a table that names a device, a pipe, or is one."""

    def make(folder: Path) -> Path:
        photos(folder)
        if kind == "pipe":
            return fifo(folder / "list.csv")
        if kind == "names a pipe":
            fifo(folder / "p.png")
        (folder / "list.csv").write_bytes(
            header + {"names a pipe": b"p.png,warm\n", "names a device": b"/dev/zero,warm\n"}[kind]
        )
        return folder / "list.csv"

    return make


good_list = listed(b"file,label\n" + b"".join(b"%s%d.png,%s\n" % (c, i, c) for c in (b"cold", b"warm") for i in (0, 1)))
LISTS: dict[str, Make] = {
    "zero bytes": listed(b"file,label\n\0,warm\nwarm0.png\0.jpg,warm\n"),
    "a line of a gigabyte": lambda folder: sparse(folder / "list.csv", 1 << 30),
    "a cell without an end": listed(b'file,label\n"' + b"x\n" * 4_000_000),
    "four million columns": listed(b"," * 4_000_000 + b"file,label\n"),
    "rows of a million columns": listed(b"file,label\n" + (b"," * 1_000_000 + b"x\n") * 4),
    "four million short rows": listed(b"file,label\n" + b"a\n" * 4_000_000),
    "four million rows without the columns": listed(b"f,l\n" + b"a,b\n" * 4_000_000),
    "UTF-16": listed("file,label\nwarm0.png,warm\n".encode("utf-16")),
    "no columns": listed(b"warm0.png,warm\n"),
    "paths that leave the folder": listed(b"file,label\n../../../../nothing/here.png,warm\n/nothing/here,cold\n"),
    "a device": special("names a device"),
    "a pipe": special("names a pipe"),
    "is a pipe": special("pipe"),
    "a binary": listed(np.random.default_rng(0).integers(0, 256, 100_000, dtype=np.uint8).tobytes()),
    "names of 100,000 letters": listed(b"file,label\n" + b"x" * 100_000 + b",warm\n"),
    "quotes in quotes": listed(b'file,label\n"""""""""""\n'),
    "nothing": listed(b""),
}

good_sample = listed(b"id,label\ncold0,0.5\nwarm0,0.5\n")
SAMPLES: dict[str, Make] = {
    "a line of a gigabyte": lambda folder: sparse(folder / "list.csv", 1 << 30),
    "a cell without an end": listed(b'id,label\n"' + b"x" * 3_000_000),
    "four million columns": listed(b"id" + b",x" * 2_000_000),
    "four million short rows": listed(b"id,label\n" + b"a\n" * 4_000_000),
    "the same id 300,000 times": listed(b"id,label\n" + b"cold0,0.5\n" * 300_000),
    "UTF-16 with half a character": listed("id,label\na,1\n".encode("utf-16") + b"\x00\xd8"),
    "zero bytes": listed(b"id,label\n\0,\0\n"),
    "is a pipe": special("pipe"),
    "other columns": listed(b"id,a,b,c\n1,2,3,4\n"),
    "nothing": listed(b""),
}


def _linked(folder: Path) -> Path:
    (folder / "out").symlink_to("/tmp")
    return listed(b"file,to\nwarm0.png,out/evil.png\n")(folder)


def _ring(folder: Path) -> Path:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    return listed(b"file,to\nwarm0.png,a/evil.png\n")(folder)


MOVES: dict[str, Make] = {
    "out of the folder": listed(b"file,to\nwarm0.png,../../evil.png\n"),
    "to an absolute place": listed(b"file,to\nwarm0.png,/tmp/evil.png\n"),
    "from outside": listed(b"file,to\n/etc/passwd,here.png\n"),
    "from above": listed(b"file,to\n../../../../../../etc/passwd,here.png\n"),
    "through a link": _linked,
    "through a ring of links": _ring,
    "over another photo": listed(b"file,to\nwarm0.png,warm1.png\n"),
    "two to one place": listed(b"file,to\nwarm0.png,a.png\nwarm1.png,a.png\n"),
    "one twice": listed(b"file,to\nwarm0.png,a.png\nwarm0.png,b.png\n"),
    "zero bytes": listed(b"file,to\nwarm0.png,a\0b.png\n"),
    "names of 100,000 letters": listed(b"file,to\nwarm0.png," + b"x" * 100_000 + b"\n"),
    "a cell without an end": listed(b'file,to\n"' + b"x" * 3_000_000),
    "a line of a gigabyte": lambda folder: sparse(folder / "list.csv", 1 << 30),
    "empty cells": listed(b"file,to\nwarm0.png,\n"),
    "is a pipe": special("pipe"),
    "other columns": listed(b"from,to\nwarm0.png,a.png\n"),
}


# --- run folders ---


@cache
def a_run() -> dict[str, bytes]:
    """Return the files of a small run that is as it should be."""
    import tempfile

    from penult.training import TrainOptions, train_images

    with tempfile.TemporaryDirectory() as place:
        for kind in CLASSES:
            (Path(place) / "train" / kind).mkdir(parents=True)
            for i in range(6):
                Image.fromarray(draw(kind, i)).save(Path(place) / "train" / kind / f"{i}.png")
        options = TrainOptions(out=f"{place}/run", backbones=("colour_histogram",), head="centroid")
        run = train_images(str(Path(place) / "train"), None, options)
        return {p.relative_to(run.folder).as_posix(): p.read_bytes() for p in run.folder.rglob("*") if p.is_file()}


def good_run(folder: Path) -> Path:
    for name, data in a_run().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    told = json.loads((folder / "metrics.json").read_bytes())
    told["sources"] = {"train": str(folder / "train")}  # where no photo is: its places on the page say so
    (folder / "metrics.json").write_text(json.dumps(told))
    return folder


def run(**files: bytes | Callable[[Any], Any]) -> Make:
    """Return what makes a run with other files: bytes, or a change of the values in `metrics.json`; `a__csv` is a.csv."""

    def make(folder: Path) -> Path:
        good_run(folder)
        for name, new in files.items():
            path = folder / name.replace("__", ".")
            if isinstance(new, bytes):
                path.write_bytes(new)
            else:
                told = json.loads(path.read_bytes())
                new(told)
                path.write_text(json.dumps(told))
        return folder

    return make


def setting(**values: Any) -> Make:
    return run(metrics__json=lambda told: told.update(values))


RUNS: dict[str, Make] = {
    "metrics: brackets": run(metrics__json=b"[" * 100_000),
    "metrics: three million lists": run(metrics__json=b"[" + b"[]," * 3_000_000 + b"1]"),
    "metrics: a number": run(metrics__json=b"3"),
    "metrics: no UTF-8": run(metrics__json=b"\xff\xfe\0"),
    "metrics: not finished": setting(status="running"),
    "metrics: classes are a number": setting(classes=7),
    "metrics: classes are other ones": setting(classes={"a": 1, "b": 2}),
    "metrics: scores are a text": setting(scores="__import__('os')"),
    "metrics: scores are empty": setting(scores={}),
    "metrics: images are a list": setting(images=[1]),
    "metrics: sources are a number": setting(sources=5),
    "metrics: sources of odd types": setting(sources={"train": [1]}),
    "metrics: files are a list": setting(files=[]),
    "metrics: audit is a text": setting(audit="x"),
    "map: no places": run(map__csv=b"file,label\na,cold\n"),
    "map: places that are no numbers": run(map__csv=b"file,label,x,y,near\na,cold,x,y,0\n"),
    "map: neighbours that are not there": run(map__csv=b"file,label,x,y,near\na,cold,0,0,99999\n"),
    "map: places beyond all": run(map__csv=b"file,label,x,y,near\na,cold,1e300,inf,0\n"),
    "map: a line of 4 MB": run(map__csv=b"file,label,x,y,near\n" + b"x" * 4_000_000),
    "oof: other classes": run(oof__csv=b"file,label,fold,cold,warm\na,owl,1,0.5,0.5\n"),
    "oof: short rows": run(oof__csv=b"file,label,fold,cold,warm\na,cold\n"),
    "oof: no numbers": run(oof__csv=b"file,label,fold,cold,warm\ncold/0.png,cold,1,a,b\n"),
    "findings: another table": run(findings__csv=b"a,b\n1,2\n"),
    "findings: a cell without an end": run(findings__csv=b'kind,file,related,score,reason,suggestion\n"' + b"x" * 300_000),
    "skipped: four million short rows": run(skipped__csv=b"file,reason,detail,part\n" + b"a\n" * 4_000_000),
    "history: texts": run(history__csv=b"epoch,loss,accuracy,val_loss,val_accuracy\na,b,c,d,e\n"),
    "predictions: no file": run(predictions__csv=b"a\n1\n"),
}


# --- the index of similar photos ---


def index(change: Callable[[Path], Any]) -> Make:
    """Return what makes an index of 50 rows of 8 numbers and changes something in it."""

    def make(folder: Path) -> Path:
        rng = np.random.default_rng(0)
        shapes = {"rows": ((50, 8), "<f2"), "coarse": ((50, 8), "<f4"), "rest": ((50,), "<f4"), "basis": ((8, 8), "<f4")}
        for name, (shape, kind) in shapes.items():
            (folder / f"{name}.npy").write_bytes(npy(rng.random(shape).astype(kind)))
        (folder / "index.json").write_text(json.dumps({**ABOUT, "sha256": {}}))
        change(folder)
        return folder

    return make


ABOUT = {"format": 1, "contents": ["x"], "parts": [8], "shape": [50, 8]}
good_index = index(lambda folder: None)


def _replaced(name: str, data: bytes) -> Make:
    return index(lambda folder: (folder / name).write_bytes(data))


INDEXES: dict[str, Make] = {
    "rows are objects": _replaced("rows.npy", npy(np.array([print], object))),
    "rows are a zip": _replaced("rows.npy", put([Entry("rows.npy", npy(np.zeros((50, 8), np.float16)))])),
    "rows of another type": _replaced("rows.npy", npy(np.zeros((50, 8), np.int64))),
    "rows of another shape": _replaced("rows.npy", npy(np.zeros((500, 8), np.float16))),
    "rows that claim 10**12": _replaced("rows.npy", npy(np.zeros((50, 8), np.float16)).replace(b"(50, 8)", b"(10**12)")),
    "rest too short": _replaced("rest.npy", npy(np.zeros(50, np.float32))[:-4]),
    "a header that is code": _replaced("rest.npy", b"\x93NUMPY\1\0v\0" + b"__import__('os').system('id')".ljust(117) + b"\n"),
    "about: brackets": _replaced("index.json", b"[" * 100_000),
    "about: something else": _replaced("index.json", b"{}"),
    "rows are a pipe": index(lambda folder: ((folder / "rows.npy").unlink(), fifo(folder / "rows.npy"))),
}


# --- HDF5 ---


def h5(change: Callable[[Any, Path], Any], name: str = "data_x.h5") -> Make:
    def make(folder: Path) -> Path:
        import h5py

        with h5py.File(folder / name, "w") as file:
            change(file, folder)
        return folder / name

    return make


def _facts(text: bytes) -> Make:
    """A record of ours with a sum that fits it."""

    def change(file: Any, folder: Path) -> None:
        file["train"] = np.ones((4, 3), np.float32)
        file.attrs["penult"] = np.bytes_(text)
        file.attrs["penult_sha256"] = np.bytes_(hashlib.sha256(text).hexdigest())

    return h5(change)


def _weights(change: Callable[[Any], Any]) -> Make:
    def write(file: Any, folder: Path) -> None:
        file["layers/dense/vars/0"] = np.ones((10, 2), np.float32)
        change(file)

    return h5(write, "w.weights.h5")


def _outside(file: Any, folder: Path) -> None:
    file.create_dataset("train", (4, 3), "f4", external=[("/etc/passwd", 0, 48)])


def _virtual(file: Any, folder: Path) -> None:
    import h5py

    layout = h5py.VirtualLayout((4, 3), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "train", (4, 3))
    file.create_virtual_dataset("train", layout)


def _link(file: Any, folder: Path) -> None:
    import h5py

    file["train"] = h5py.ExternalLink("/etc/passwd", "x")


good_h5 = h5(lambda file, folder: file.create_dataset("train", data=np.ones((4, 3), np.float32)))
FEATURES: dict[str, Make] = {
    "data in /etc/passwd": h5(_outside),
    "virtual data": h5(_virtual),
    "a link to elsewhere": h5(_link),
    "2**80 numbers": h5(lambda file, _: file.create_dataset("train", (2**40, 2**40), "f4", chunks=(1, 1024))),
    "a bomb": h5(lambda file, _: file.create_dataset("train", data=np.zeros((30_000, 1000), "f4"), compression="gzip")),
    "never written": h5(lambda file, _: file.create_dataset("train", (1000, 1000), "f4")),
    "references": h5(lambda file, _: file.create_dataset("train", (4, 3), __import__("h5py").ref_dtype)),
    "facts: brackets": _facts(b"[" * 60_000),
    "facts: a list": _facts(b"[1]"),
    "facts: no sums": _facts(b'{"format": 1, "facts": {}}'),
    "facts: format a text": _facts(b'{"format": "1", "facts": {}, "sha256": {}}'),
    "facts: sums of other data": _facts(b'{"format": 1, "facts": {}, "sha256": {"train": "0"}}'),
}


def _keras_bomb(folder: Path) -> Path:
    import zipfile

    with zipfile.ZipFile(folder / "w.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(200_000_000))
    return folder / "w.keras"


def _many(folder: Path) -> Path:
    from hostile_models import many_entries

    return shutil.move(many_entries(folder), folder / "w.keras")


good_weights = _weights(lambda file: None)
WEIGHTS: dict[str, Make] = {
    "data in /etc/passwd": _weights(
        lambda f: f.create_dataset("layers/a/vars/0", (9,), "f4", external=[("/etc/passwd", 0, 36)])
    ),
    "2**40 numbers": _weights(lambda f: f.create_dataset("layers/a/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))),
    "groups in each other": _weights(lambda f: f["layers"].__setitem__("round", f["layers"])),
    "3,000 groups deep": _weights(lambda f: f.create_group("layers/" + "g/" * 3000)),
    "a terabyte packed": fixed(
        put([Entry("model.weights.h5", bytes(100), size=0xFFFFFFFF, packed=0xFFFFFFFF, extra=zip64(100, 1 << 40)[2])]),
        "w.keras",
    ),
    "a bomb": _keras_bomb,
    "half a million entries": _many,
    "a pickle": fixed(pickle.dumps(os.getcwd), "w.h5"),
    "a pipe": lambda folder: fifo(folder / "w.h5"),
}

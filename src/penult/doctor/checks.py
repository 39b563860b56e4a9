"""Checks of what penult works with: processor, engine, pictures, cache folder and disks, and of run folders.

In: the cache folder, run folders. Out: `Check`s. What may crash runs in another process (`probe`); what is written is removed.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from penult import engines, runs, store, system
from penult.backbones.efficientnet_lite import LITE
from penult.doctor import probe
from penult.doctor.installation import FAIL, NOTE, OK, WARN, Check, is_runtime
from penult.engines import devices
from penult.errors import InputError, MissingExtra, OutputError
from penult.pixels import decoding, preparing, resizing
from penult.store.disk import machine_id
from penult.texts import printable
from penult.worker import Crashed, NoInterpreter, Worker

_REINSTALL = "pip install --force-reinstall openvino, and if it stays so, report it with this line"


def processor() -> Check:
    """Return what the processor is and which of its instructions matter."""
    has = devices.cpu_flags()
    said = f"{engines.cpu_name()}; {', '.join(has) or 'instruction sets unknown'}"
    if has and not {"avx2", "asimd"} & set(has):
        return Check("processor", NOTE, said, "without AVX2 networks are slow: use one network, -b efficientnet_lite0")
    return Check("processor", OK, said)


def weights() -> Check:
    """Return whether the weights that come by pip are there, to the byte."""
    if is_runtime():
        return Check("weights", OK, "not part of penult-runtime; a model has its own")
    for lite in LITE.values():
        lite.tensors()  # raises MissingExtra or DamagedFile, with the pip line
    return Check("weights", OK, f"{', '.join(LITE)}: present, sha256 as published")


def engine() -> list[Check]:
    """Return whether the engine loads, what it can do, and whether it answers rightly."""
    answers: list[Any] = []
    try:
        with Worker("penult.doctor.probe:compute") as child:
            answers.extend(child.answers())
    except MissingExtra:  # penult-runtime: no network is there to be tried, and each model tries its own
        return list(_about(answers))
    except Crashed as error:
        step = "while it was loaded" if not answers else "while it compiled and ran a network"
        return [*_about(answers), Check("engine", FAIL, f"OpenVINO crashed {step} ({error})", _REINSTALL)]
    if len(answers) < 2:
        return [*_about(answers), Check("engine", FAIL, "OpenVINO gave no answer", _REINSTALL)]
    return [*_about(answers), *_answer(answers[0]["auto"], *answers[1])]


def _about(answers: list[Any]) -> Iterator[Check]:
    if not answers:
        return
    about = answers[0]
    yield Check(
        "engine", OK, f"OpenVINO {about['version'].partition('-')[0]}, devices {', '.join(about['devices'])}; penult uses CPU"
    )
    here = ", ".join(about["precisions"])
    missing = [p for p in ("bf16", "int8") if p not in about["precisions"]]
    said = f"this processor computes in {here}; auto takes {about['auto']}"
    yield Check("precision", OK, f"{said}, {' and '.join(missing)} cannot be asked for" if missing else said)


def _answer(precision: str, off: float, cosine: float) -> Iterator[Check]:
    exact = f"{probe.NETWORK} on a drawn picture in f32: within {off:.1g} of the recorded features"
    if not off <= probe.MAX_ERROR:
        said = (
            f"{exact}; {probe.MAX_ERROR:g} is allowed"
            if math.isfinite(off)
            else f"{probe.NETWORK} in f32 gives features that are not finite"
        )
        yield Check("self-test", FAIL, said, _REINSTALL)
    elif not cosine >= probe.MIN_COSINE:
        yield Check(
            "self-test", FAIL, f"in {precision} its features have a cosine of {cosine:.4f} to f32", "use --precision f32"
        )
    else:
        beside = "" if precision == "f32" else f"; in {precision} a cosine of {cosine:.5f} to f32"
        yield Check("self-test", OK, exact + beside)


def gpu() -> Check:
    """Return whether an NVIDIA GPU is used, and if one is here and is not, why."""
    try:
        with Worker("penult.doctor.probe:gpu") as child:
            found = next(child.answers())
    except Crashed as error:
        return Check(
            "gpu",
            WARN,
            f"ONNX Runtime crashed while it was loaded ({error})",
            f"{_REMOVE_ORT} {_INSTALL_GPU}, or use --device cpu",
        )
    if found in _NO_GPU:
        return _NO_GPU[found]
    why = found.removeprefix("unused: ")
    if why != found:
        return Check(
            "gpu", WARN, f"an NVIDIA GPU is here, ONNX Runtime cannot use it ({why})", f"{_INSTALL_GPU}, or update its driver"
        )
    return Check("gpu", OK, f"{found}: --device auto takes it")


_REMOVE_ORT = "pip uninstall -y onnxruntime onnxruntime-gpu;"
_INSTALL_GPU = "pip install 'penult[gpu]'"
_NO_GPU = {
    "none": Check("gpu", OK, "no NVIDIA GPU; networks run on the CPU"),
    "no onnxruntime": Check("gpu", NOTE, "an NVIDIA GPU is here, onnxruntime-gpu is not", f"to use it: {_INSTALL_GPU}"),
    "no cuda": Check(
        "gpu", NOTE, "an NVIDIA GPU is here, onnxruntime has no CUDA", f"to use it: {_REMOVE_ORT} {_INSTALL_GPU}"
    ),
}


FEW_FILES = 256  # open files: a worker takes one, libraries some tens
LITTLE_MEMORY = 2 << 30  # bytes


def formats() -> Check:
    """Return which formats are read here."""
    found = decoding.readable_formats()
    there = [name for name, yes in found.items() if yes]
    missing = [name for name, yes in found.items() if not yes]
    if not {"JPEG", "PNG"} <= set(there):
        return Check("formats", FAIL, f"no {', '.join(missing)}", "pip install --force-reinstall pillow")
    if not missing:
        return Check("formats", OK, ", ".join(there))
    cures = [] if missing == ["HEIC"] else ["pip install --upgrade pillow (its wheels have the others)"]
    cures += ["HEIC: pip install 'penult[heif]', or save them as JPEG"] if "HEIC" in missing else []
    return Check("formats", NOTE, f"{', '.join(there)}; not {', '.join(missing)}", "; ".join(cures))


def resize() -> Check:
    """Return whether pictures are made smaller by the compiled part, or by Pillow."""
    how = resizing.resize_method()
    if how == "compiled":
        return Check("resize", OK, "compiled, bit-identical to Pillow")
    if how == "absent":
        cure = "install a C compiler, then pip install --force-reinstall --no-deps penult"
        return Check("resize", NOTE, "by Pillow: the same pixels, slower (the compiled extension is missing)", cure)
    cure = "update penult; until then results are correct, only slower"
    return Check("resize", NOTE, "by Pillow: this version rounds differently from the compiled extension", cure)


def workers() -> Check:
    """Return whether a worker process starts and reads a picture."""
    if not system.can_isolate():
        said = "this system has no worker processes for images: they are decoded in this one, and a crash would end it"
        return Check("workers", NOTE, said, "open photos of strangers on Linux or macOS")
    from penult.pixels import worker_pool

    try:
        worker_pool.check_worker()
    except NoInterpreter as error:
        said, _, cure = str(error).partition("; ")
        return Check("workers", WARN, f"{said}: images are decoded in this process, and a crash would end it", cure)
    except RuntimeError as error:
        said = f"worker processes cannot start ({error}): one process decodes all images, slower, and a crash would end it"
        return Check("workers", WARN, said, "free memory and processes, or allow them (ulimit -u, seccomp, the container)")
    count = preparing.worker_count()
    return Check("workers", OK, f"they start; {count} would decode images here")


def memory() -> Check:
    """Return the cores and the memory that penult counts with."""
    cores, memory = preparing.core_count(), preparing.memory_bytes()
    known = f"{memory / 2**30:.1f} GiB of memory" if memory < sys.maxsize else "memory size unknown"
    said = f"{cores} cores, {known}"
    if memory < LITTLE_MEMORY:
        return Check(
            "memory", WARN, said, "large photos and many networks may not fit; use one network, -b efficientnet_lite0"
        )
    return Check("memory", OK, said)


def open_files() -> Check:
    """Return how many files may be open at once."""
    limits = system.limits("RLIMIT_NOFILE")
    if limits is None:
        return Check("open files", OK, "this system sets no limit that matters")
    soft, hard = limits
    if 0 <= soft < FEW_FILES:
        return Check("open files", WARN, f"{soft} at once", f"ulimit -n {FEW_FILES if hard < 0 else min(hard, 4 * FEW_FILES)}")
    return Check("open files", OK, f"{soft if soft >= 0 else 'any number'} at once")


LITTLE_SPACE = 2 * 10**9  # bytes
_OTHER_CACHE = "choose another cache folder with --cache DIR, or for good with the variable PENULT_CACHE"


def cache(folder: Path) -> Check:
    """Return what the cache folder holds."""
    try:
        found = store.inventory.scan(folder)
    except InputError as error:
        said, _, _ = str(error).partition("; ")
        return Check("cache", WARN, said, _OTHER_CACHE)
    if not folder.is_dir():
        return Check("cache", OK, f"{folder}: not there yet, the first run creates it")
    rows = found.of("features")
    shards = sum(entry.shards for entry in rows)
    said = f"{folder}: {found.bytes / 1e6:,.1f} MB, {len(rows)} sets of features in {shards:,} files"
    odd = sum(len(entry.odd) for entry in rows)
    if odd or found.leftovers:
        what = f"{odd} damaged and {len(found.leftovers)} left by killed processes"
        return Check("cache", NOTE, f"{said}; of no use: {what}", "penult cache --prune (they do no harm)")
    return Check("cache", OK, f"{said} (`penult cache --verify` reads all of it)")


def no_cache() -> Check:
    """Return why there is no cache folder, which stops nothing."""
    said = "no cache folder is known, because this user has no home folder: features are computed again in every run"
    return Check("cache", WARN, said, _OTHER_CACHE)


def cache_write(folder: Path, named: bool = True) -> Check:
    """Return whether the cache folder can be written: a file is written, synced, renamed, read and removed.

    `named`: somebody asked for this folder, and commands stop where it cannot be written; otherwise they do without.
    """
    made = [part for part in (folder, *folder.parents) if not _exists(part)]  # the innermost first
    path = folder / f".tmp-{machine_id()}-{os.getpid()}-d0c"  # if we are killed here, it is swept as any leftover
    text = "a test by penult doctor\n" * 100
    try:
        store.write_text(path, text, cure=_OTHER_CACHE)
        same = path.read_text(encoding="utf-8") == text
    except OutputError as error:
        said, _, cure = str(error).partition("; ")
        if not named and store.is_permanent(error):
            return Check("cache write", WARN, f"{said}: features are computed again in every run", _OTHER_CACHE)
        return Check("cache write", FAIL, said, cure)
    except OSError as error:
        return Check("cache write", FAIL, f"{folder}: what was written cannot be read ({error.strerror})", _OTHER_CACHE)
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            for part in made:
                part.rmdir()
    if not same:
        return Check(
            "cache write", FAIL, f"{folder}: what was read is not what was written; the disk may be failing", _OTHER_CACHE
        )
    return Check("cache write", OK, "written, synced, renamed, read again")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it is closed to this user
        return True


def disks(cache_folder: Path | None) -> list[Check]:
    """Return the free space, a line for each disk."""
    places = {"this folder": Path.cwd(), "temporary files": Path(tempfile.gettempdir())}
    if cache_folder is not None:
        places = {"cache": cache_folder, **places}
    by_disk: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for what, place in places.items():
        there = next(part for part in (place.absolute(), *place.absolute().parents) if store.is_folder(part))
        disk = there.stat().st_dev
        by_disk.setdefault(disk, []).append(what)
        free[disk] = shutil.disk_usage(there).free
    found = []
    for disk, names in by_disk.items():
        said = f"{free[disk] / 1e9:,.1f} GB free ({', '.join(names)})"
        if free[disk] < LITTLE_SPACE:
            cure = "free some space" + (", penult cache --prune --max SIZE" if "cache" in names else "")
            found.append(Check("disk", WARN, said, cure + (", or set TMPDIR" if names == ["temporary files"] else "")))
        else:
            found.append(Check("disk", OK, said))
    if not os.access(Path.cwd(), os.W_OK):
        found.append(Check("this folder", NOTE, f"{Path.cwd()} cannot be written", "give --out a folder that can"))
    return found


_NAMED = 5  # files that a line names
_TRAIN_AGAIN = "run the same `penult train` again: features come from the cache"


def run_files(folder: Path) -> list[Check]:
    """Return what became of the files of one run."""
    where = printable(folder)
    found = runs.folder_state(folder)
    if found.status is None:
        what = "has no readable metrics.json of penult" if folder.is_dir() else "is not a folder"
        return [Check("run", FAIL, f"{where} {what}", "give the folder that `penult train --out` made")]
    if found.status == "failed":
        said = f"{where} has results but no model: the model did not pass penult's own check"
        return [Check("run", FAIL, said, "report it, please, with the `error` in its metrics.json")]
    if found.status == "running":
        said = f"{where} was interrupted (or is under way): it has no results that belong together"
        return [Check("run", FAIL, said, "run the same `penult train` again: it goes on where it was")]
    results = []
    bad = {"changed or damaged": found.changed, "gone": found.missing, "unreadable": found.unread}
    for what, names in bad.items():
        if names:
            results.append(Check("files", FAIL, f"{where}: {what}: {_named(names)}", f"{_TRAIN_AGAIN}; or put them back"))
    if not results:
        results.append(Check("files", OK, f"{where}: all {len(found.same)} files are unchanged"))
    if found.extra:
        results.append(
            Check("files", NOTE, f"{where}: not part of this run: {_named(found.extra)}", "move them if they are in the way")
        )
    if found.leftovers:
        said = f"{where}: {len(found.leftovers)} files that a killed process left"
        results.append(Check("files", NOTE, said, "they do no harm; the next run into this folder removes them"))
    return results


def shard_files(address: str) -> list[Check]:
    """Return whether each file of features in shards is as its manifest says."""
    from penult.shards.check import FOREIGN, check_shards

    where, cure = printable(address), "remove it, and run the command that wrote it again: only what is missing is made anew"
    try:
        found = list(check_shards(address))
    except InputError as error:
        return [Check("shards", FAIL, *str(error).split("; ", 1))]
    foreign = [one.name for one in found if one.wrong == FOREIGN]
    wrong = [one for one in found if one.wrong and one.name not in foreign]
    if wrong:
        which = _named([f"{one.name} ({one.wrong})" for one in wrong])
        results = [Check("shards", FAIL, f"{where}: {len(wrong)} of {len(found)} files are not as written: {which}", cure)]
    else:
        results = [Check("shards", OK, f"{where}: all {len(found) - len(foreign)} files are unchanged")]
    if foreign:
        said = f"{where}: of no shard of the plan: {_named(foreign)}"
        results.append(Check("shards", NOTE, said, "move them if they are in the way"))
    return results


def run_model(folder: Path) -> list[Check]:
    """Return whether the model of a run loads and gives its own samples' answers, tried in another process."""
    where = printable(folder / "model.penult")
    if not (folder / "model.penult").is_file():
        return []  # reported by `run_files`
    try:
        with Worker("penult.doctor.probe:model") as child:
            child.send(folder)
            count = next(child.answers())
    except Crashed as error:
        return [Check("model", FAIL, f"{where}: the process that tried it died ({error})", "train again, or report it")]
    if not count:
        return [Check("model", OK, f"{where}: loads; it has no networks, so nothing to compare")]
    return [Check("model", OK, f"{where}: loads; its {count} test samples give the same answers as at training")]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(printable(name) for name in names[:_NAMED]) + more

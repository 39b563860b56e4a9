"""Checks of what penult works with: processor, engine, pictures, cache folder and disks.

In: the cache folder. Out: `Check`s. What may crash runs in another process (`probe`); what is written is removed.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penult import engines, store, system
from penult.backbones.efficientnet_lite import LITE
from penult.doctor import probe
from penult.doctor.installation import FAIL, NOTE, OK, WARN, Check, is_runtime
from penult.engines import devices
from penult.errors import InputError, MissingExtra, OutputError, what_and_cure
from penult.i18n import N_, _
from penult.pixels import decoding, preparing, resizing
from penult.store.disk import machine_id
from penult.texts import enumeration, system_words
from penult.worker import Crashed, NoInterpreter, Worker

_REINSTALL = N_("pip install --force-reinstall openvino, and if it stays so, report it with this line")


def processor() -> Check:
    """Return what the processor is and which of its instructions matter."""
    has = devices.cpu_flags()
    said = _("{name}; {flags}", name=engines.cpu_name(), flags=", ".join(has) or _("instruction sets unknown"))
    if has and not {"avx2", "asimd"} & set(has):
        return Check("processor", NOTE, said, _("without AVX2 networks are slow: use one network, -b efficientnet_lite0"))
    return Check("processor", OK, said)


def weights() -> Check:
    """Return whether the weights that come by pip are there, to the byte."""
    if is_runtime():
        return Check("weights", OK, _("not part of penult-runtime; a model has its own"))
    for lite in LITE.values():
        lite.tensors()  # raises MissingExtra or DamagedFile, with the pip line
    return Check("weights", OK, _("{names}: present, sha256 as published", names=", ".join(LITE)))


def engine() -> list[Check]:
    """Return whether the engine loads, what it can do, and whether it answers rightly."""
    answers: list[Any] = []
    try:
        with Worker("penult.doctor.probe:compute") as child:
            answers.extend(child.answers())
    except MissingExtra:  # penult-runtime: no network is there to be tried, and each model tries its own
        return list(_about(answers))
    except Crashed as error:
        loading = _("OpenVINO crashed while it was loaded ({error})", error=error)
        running = _("OpenVINO crashed while it compiled and ran a network ({error})", error=error)
        return [
            *_about(answers),
            Check("engine", FAIL, running if answers else loading, _(_REINSTALL)),
        ]
    if len(answers) < 2:
        return [*_about(answers), Check("engine", FAIL, _("OpenVINO gave no answer"), _(_REINSTALL))]
    return [*_about(answers), *_answer(answers[0]["auto"], *answers[1])]


def _about(answers: list[Any]) -> Iterator[Check]:
    if not answers:
        return
    about = answers[0]
    yield Check(
        "engine",
        OK,
        _(
            "OpenVINO {version}, devices {devices}; penult uses CPU",
            version=about["version"].partition("-")[0],
            devices=", ".join(about["devices"]),
        ),
    )
    here = ", ".join(about["precisions"])
    missing = [p for p in ("bf16", "int8") if p not in about["precisions"]]
    said = _("this processor computes in {here}; auto takes {auto}", here=here, auto=about["auto"])
    yield Check(
        "precision",
        OK,
        _("{said}, {missing} cannot be asked for", said=said, missing=_(" and ").join(missing)) if missing else said,
    )


def _answer(precision: str, off: float, cosine: float) -> Iterator[Check]:
    exact = _("{network} on a drawn picture in f32: within {off:.1g} of the recorded features", network=probe.NETWORK, off=off)
    if not off <= probe.MAX_ERROR:
        said = (
            _("{exact}; {most:g} is allowed", exact=exact, most=probe.MAX_ERROR)
            if math.isfinite(off)
            else _("{network} in f32 gives features that are not finite", network=probe.NETWORK)
        )
        yield Check("self-test", FAIL, said, _(_REINSTALL))
    elif not cosine >= probe.MIN_COSINE:
        yield Check(
            "self-test",
            FAIL,
            _("in {precision} its features have a cosine of {cosine:.4f} to f32", precision=precision, cosine=cosine),
            _("use --precision f32"),
        )
    else:
        beside = _("{exact}; in {precision} a cosine of {cosine:.5f} to f32", exact=exact, precision=precision, cosine=cosine)
        yield Check("self-test", OK, exact if precision == "f32" else beside)


def gpu() -> Check:
    """Return whether an NVIDIA GPU is used, and if one is here and is not, why."""
    try:
        with Worker("penult.doctor.probe:gpu") as child:
            found = next(child.answers())
    except Crashed as error:
        return Check(
            "gpu",
            WARN,
            _("ONNX Runtime crashed while it was loaded ({error})", error=error),
            _("{command}, or use --device cpu", command=f"{_REMOVE_ORT} {_INSTALL_GPU}"),
        )
    if (absent := _no_gpu(found)) is not None:
        return absent
    why = found.removeprefix("unused: ")
    if why != found:
        return Check(
            "gpu",
            WARN,
            _("an NVIDIA GPU is here, ONNX Runtime cannot use it ({why})", why=why),
            _("{command}, or update its driver", command=_INSTALL_GPU),
        )
    return Check("gpu", OK, _("{found}: --device auto takes it", found=found))


_REMOVE_ORT = "pip uninstall -y onnxruntime onnxruntime-gpu;"
_INSTALL_GPU = "pip install 'penult[gpu]'"


def _no_gpu(found: str) -> Check | None:
    """Return what there is to say where no GPU can be used, None where one can."""
    if found == "none":
        return Check("gpu", OK, _("no NVIDIA GPU; networks run on the CPU"))
    if found == "no onnxruntime":
        said = _("an NVIDIA GPU is here, onnxruntime-gpu is not")
        return Check("gpu", NOTE, said, _("to use it: {command}", command=_INSTALL_GPU))
    if found == "no cuda":
        said = _("an NVIDIA GPU is here, onnxruntime has no CUDA")
        return Check("gpu", NOTE, said, _("to use it: {command}", command=f"{_REMOVE_ORT} {_INSTALL_GPU}"))
    return None


FEW_FILES = 256  # open files: a worker takes one, libraries some tens
LITTLE_MEMORY = 2 << 30  # bytes


def formats() -> Check:
    """Return which formats are read here."""
    found = decoding.readable_formats()
    there = [name for name, yes in found.items() if yes]
    missing = [name for name, yes in found.items() if not yes]
    if not {"JPEG", "PNG"} <= set(there):
        return Check("formats", FAIL, _("no {missing}", missing=", ".join(missing)), _("pip install --force-reinstall pillow"))
    if not missing:
        return Check("formats", OK, ", ".join(there))
    cures = [] if missing == ["HEIC"] else [_("pip install --upgrade pillow (its wheels have the others)")]
    cures += [_("HEIC: pip install 'penult[heif]', or save them as JPEG")] if "HEIC" in missing else []
    return Check(
        "formats", NOTE, _("{there}; not {missing}", there=", ".join(there), missing=", ".join(missing)), _("; ").join(cures)
    )


def resize() -> Check:
    """Return whether pictures are made smaller by the compiled part, or by Pillow."""
    how = resizing.resize_method()
    if how == "compiled":
        return Check("resize", OK, _("compiled, bit-identical to Pillow"))
    if how == "absent":
        cure = _("install a C compiler, then pip install --force-reinstall --no-deps penult")
        return Check("resize", NOTE, _("by Pillow: the same pixels, slower (the compiled extension is missing)"), cure)
    cure = _("update penult; until then results are correct, only slower")
    return Check("resize", NOTE, _("by Pillow: this version rounds differently from the compiled extension"), cure)


def workers() -> Check:
    """Return whether a worker process starts and reads a picture."""
    if not system.can_isolate():
        said = _("this system has no worker processes for images: they are decoded in this one, and a crash would end it")
        return Check("workers", NOTE, said, _("open photos of strangers on Linux or macOS"))
    from penult.pixels import worker_pool

    try:
        worker_pool.check_worker()
    except NoInterpreter as error:
        said, cure = what_and_cure(error)
        return Check(
            "workers", WARN, _("{said}: images are decoded in this process, and a crash would end it", said=said), cure
        )
    except RuntimeError as error:
        said = _(
            "worker processes cannot start ({error}): one process decodes all images, slower, and a crash would end it",
            error=error,
        )
        return Check("workers", WARN, said, _("free memory and processes, or allow them (ulimit -u, seccomp, the container)"))
    count = preparing.worker_count()
    return Check("workers", OK, _("they start; {count} would decode images here", count=count))


def memory() -> Check:
    """Return the cores and the memory that penult counts with."""
    cores, memory = preparing.core_count(), preparing.memory_bytes()
    size = memory / 2**30
    known = _("{size:.1f} GiB of memory", size=size) if memory < sys.maxsize else _("memory size unknown")
    said = _("{cores} cores, {memory}", cores=cores, memory=known)
    if memory < LITTLE_MEMORY:
        return Check(
            "memory", WARN, said, _("large photos and many networks may not fit; use one network, -b efficientnet_lite0")
        )
    return Check("memory", OK, said)


def open_files() -> Check:
    """Return how many files may be open at once."""
    limits = system.limits("RLIMIT_NOFILE")
    if limits is None:
        return Check("open files", OK, _("this system sets no limit that matters"))
    soft, hard = limits
    if 0 <= soft < FEW_FILES:
        return Check(
            "open files",
            WARN,
            _("{soft} at once", soft=soft),
            f"ulimit -n {FEW_FILES if hard < 0 else min(hard, 4 * FEW_FILES)}",
        )
    return Check("open files", OK, _("{soft} at once", soft=soft) if soft >= 0 else _("any number at once"))


LITTLE_SPACE = 2 * 10**9  # bytes
_OTHER_CACHE = N_("choose another cache folder with --cache DIR, or for good with the variable PENULT_CACHE")


def cache(folder: Path) -> Check:
    """Return what the cache folder holds."""
    try:
        found = store.inventory.scan(folder)
    except InputError as error:
        said = what_and_cure(error)[0]
        return Check("cache", WARN, said, _(_OTHER_CACHE))
    if not folder.is_dir():
        return Check("cache", OK, _("{folder}: not there yet, the first run creates it", folder=folder))
    rows = found.of("features")
    shards = sum(entry.shards for entry in rows)
    said = _(
        "{folder}: {bytes:,.1f} MB, {number} sets of features in {shards:,} files",
        folder=folder,
        bytes=found.bytes / 1e6,
        number=len(rows),
        shards=shards,
    )
    odd = sum(len(entry.odd) for entry in rows)
    if odd or found.leftovers:
        what = _("{odd} damaged and {number} left by killed processes", odd=odd, number=len(found.leftovers))
        return Check(
            "cache", NOTE, _("{said}; of no use: {what}", said=said, what=what), _("penult cache --prune (they do no harm)")
        )
    return Check("cache", OK, _("{said} (`penult cache --verify` reads all of it)", said=said))


def no_cache() -> Check:
    """Return why there is no cache folder, which stops nothing."""
    said = _("no cache folder is known, because this user has no home folder: features are computed again in every run")
    return Check("cache", WARN, said, _(_OTHER_CACHE))


def cache_write(folder: Path, named: bool = True) -> Check:
    """Return whether the cache folder can be written: a file is written, synced, renamed, read and removed.

    `named`: somebody asked for this folder, and commands stop where it cannot be written; otherwise they do without.
    """
    made = [part for part in (folder, *folder.parents) if not _exists(part)]  # the innermost first
    path = folder / f".tmp-{machine_id()}-{os.getpid()}-d0c"  # if we are killed here, it is swept as any leftover
    text = "a test by penult doctor\n" * 100
    try:
        store.write_text(path, text, cure=_(_OTHER_CACHE))
        same = path.read_text(encoding="utf-8") == text
    except OutputError as error:
        said, cure = what_and_cure(error)
        if not named and store.is_permanent(error):
            return Check(
                "cache write", WARN, _("{said}: features are computed again in every run", said=said), _(_OTHER_CACHE)
            )
        return Check("cache write", FAIL, said, cure)
    except OSError as error:
        return Check(
            "cache write",
            FAIL,
            _("{folder}: what was written cannot be read ({strerror})", folder=folder, strerror=system_words(error)),
            _(_OTHER_CACHE),
        )
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            for part in made:
                part.rmdir()
    if not same:
        return Check(
            "cache write",
            FAIL,
            _("{folder}: what was read is not what was written; the disk may be failing", folder=folder),
            _(_OTHER_CACHE),
        )
    return Check("cache write", OK, _("written, synced, renamed, read again"))


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a folder above it is closed to this user
        return True


def disks(cache_folder: Path | None) -> list[Check]:
    """Return the free space, a line for each disk."""
    temporary = _("temporary files")
    places = {_("this folder"): Path.cwd(), temporary: Path(tempfile.gettempdir())}
    if cache_folder is not None:
        places = {_("cache"): cache_folder, **places}
    by_disk: dict[int, list[str]] = {}
    free: dict[int, int] = {}
    for what, place in places.items():
        there = next(part for part in (place.absolute(), *place.absolute().parents) if store.is_folder(part))
        disk = there.stat().st_dev
        by_disk.setdefault(disk, []).append(what)
        free[disk] = shutil.disk_usage(there).free
    found = []
    for disk, names in by_disk.items():
        said = _("{free:,.1f} GB free ({names})", free=free[disk] / 1e9, names=enumeration(names))
        if free[disk] < LITTLE_SPACE:
            cure = _("free some space")
            if _("cache") in names:
                cure = _("free some space, penult cache --prune --max SIZE")
            elif names == [temporary]:
                cure = _("free some space, or set TMPDIR")
            found.append(Check("disk", WARN, said, cure))
        else:
            found.append(Check("disk", OK, said))
    if not os.access(Path.cwd(), os.W_OK):
        found.append(
            Check("this folder", NOTE, _("{cwd} cannot be written", cwd=Path.cwd()), _("give --out a folder that can"))
        )
    return found

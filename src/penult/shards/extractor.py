"""One process at work on shards: images of a plan in, Parquet files out, with engines and decoder processes that stay open.

It knows nothing of who hands out the shards: a loop, a part of a job array, an actor of Ray.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from penult import parquet, pixels
from penult.embed import EmbeddedRows, EmbedOptions, WarmEmbedder
from penult.errors import InputError, ProgressCallback, quiet
from penult.i18n import N_, _
from penult.pixels import Failure
from penult.shards.attempts import AttemptCounter, in_halves
from penult.shards.facts import PlanFacts, check_machine
from penult.shards.networks import check_pictures, load_networks, load_pictures
from penult.shards.output import PLAN, name_below, open_output
from penult.shards.plan import Plan, ShardTask
from penult.shards.writer import ShardStatus, ShardWriter
from penult.sources import Member
from penult.texts import valid_unicode
from penult.worker import Crashed, Worker

CRASHED = N_("extraction crashed")  # the process died on it, again and again
OVERFLOW, NOT_FINITE = N_("too large for float16"), N_("not finite")
CURES = {
    **pixels.CURES,
    CRASHED: N_("open it in an image viewer and save it anew as JPEG or PNG, or remove it"),
    OVERFLOW: N_("plan again with --float32"),
    NOT_FINITE: N_("plan again with --precision f32"),
}
_GREATEST = float(np.finfo(np.float16).max)  # 65504


class Extractor:
    """Computes the features of one shard after the other, as the plan in `out` fixes them.

    Parameters
    ----------
    out : str
        The folder or address with the plan and its networks, as `embed_shards` made it.
    workers : int, optional
        Decoder processes; by default one for each core that this process may use.
    check : bool, default True
        Whether drawn pictures are computed first and held against what the machine that made the plan got.

    Raises
    ------
    InputError
        This machine cannot compute what the plan fixes, or computes something else.
    DamagedFile
        The plan or its networks are not as they were written.
    """

    def __init__(self, out: str, workers: int | None = None, check: bool = True) -> None:
        self.output = open_output(out)
        self.plan = Plan.open(name_below(out, PLAN))
        self._writer = ShardWriter(self.output)
        facts = self.plan.facts
        networks = load_networks(self.output, facts)
        check_machine(facts, networks)
        self._settings = EmbedOptions(workers=workers, max_pixels=facts.max_pixels, cache_optional=True)
        self._embedder = WarmEmbedder(networks, facts.compute, self._settings)
        if check:
            check_pictures(self.output, facts, self._embedder)

    def run(self, task: ShardTask, progress: ProgressCallback = quiet) -> ShardStatus:
        """Do one shard, unless it is there already. Raises `OutputError` where it cannot be written."""
        return self._writer.status(task) or self._do(task, lambda members: self._embedder.run(members, progress))

    def give_up(self, task: ShardTask, attempts: AttemptCounter) -> ShardStatus:
        """Do a shard that ended its process again and again: in child processes, in parts that are halved.

        Images that end their process by themselves become failed rows, all others get their features.
        """

        def run(members: Sequence[Member]) -> EmbeddedRows:
            parts = in_halves(task.name, len(members), attempts, lambda i, j: self._alone(members[i:j]))
            return joined([_crashed(j - i, self.plan.facts) if part is None else part for i, j, part in parts])

        return self._writer.status(task) or self._do(task, run)

    def _alone(self, members: Sequence[Member]) -> EmbeddedRows | None:
        """Return the rows of images, computed in a process of their own; None where they ended it.

        Raises `InputError` where it ends with a drawn picture as well: that is no fault of an image.
        """
        rows = _in_child(self, members)
        if rows is None and len(members) == 1:
            drawn = pixels.FileContent(load_pictures(self.output).files[0])
            if _in_child(self, [drawn]) is None:
                raise InputError(
                    _(
                        "a process that computes images by themselves ends on this machine even with a drawn picture; "
                        "free some memory and space in /dev/shm, or leave this machine out, and run the same command "
                        "again."
                    )
                )
        return rows

    def embed(self, members: Sequence[Any]) -> EmbeddedRows:
        """Return the rows of images, as of `embed`."""
        return self._embedder.run(members)

    def _do(self, task: ShardTask, embed: Any) -> ShardStatus:
        began = time.perf_counter()
        members = self.plan.members(task.number)
        rows = checked(embed(members), self.plan.facts.dtype)
        data = self.shard_bytes(members, self.plan.labels(task.number), rows)
        reasons = Counter(failure.reason for failure in rows.failures.values())
        return self._writer.write(task, data, reasons, time.perf_counter() - began)

    def shard_bytes(self, members: Sequence[Member], labels: Sequence[str | None], rows: EmbeddedRows) -> bytes:
        """Return the Parquet file of a shard; its rows stand in the order of the plan."""
        return feature_shard(members, labels, rows, self.plan.facts)

    def close(self) -> None:
        """Close the engines and end the decoder processes."""
        self._embedder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def checked(rows: EmbeddedRows, dtype: str) -> EmbeddedRows:
    """Return the rows without vectors that are not finite, or that `dtype` does not hold: these images are failures."""
    greatest = np.abs(rows.vectors).max(axis=1) if rows.vectors.size else np.empty(len(rows.vectors), np.float32)  # (m,)
    finite = np.isfinite(greatest)
    fits = finite & ((greatest <= _GREATEST) | (dtype == "float32"))  # (m,)
    if fits.all():
        return rows
    places = np.flatnonzero(rows.ok)
    failures, ok = dict(rows.failures), rows.ok.copy()
    for place, found in zip(places[~fits], greatest[~fits], strict=True):
        said = (
            Failure(OVERFLOW, _("{value:.3g}; plan with --float32", value=float(found)))
            if np.isfinite(found)
            else Failure(NOT_FINITE)
        )
        failures[int(place)] = said
    ok[places[~fits]] = False
    return replace(rows, ok=ok, failures=failures, vectors=rows.vectors[fits])


def feature_shard(members: Sequence[Member], labels: Sequence[str | None], rows: EmbeddedRows, facts: PlanFacts) -> bytes:
    """Return the Parquet file of features of a shard."""
    n, ok = len(members), rows.ok
    vectors = np.zeros((n, facts.width), facts.dtype)  # (n, d)
    vectors[ok] = rows.vectors
    mask = np.broadcast_to(~ok[:, None], vectors.shape)
    found = [rows.failures.get(i) for i in range(n)]
    columns: dict[str, Any] = {
        "id": [valid_unicode(member.id) for member in members],
        "digest": [digest.tobytes() if digest.any() else None for digest in rows.digests],
        "vector": np.ma.array(vectors, mask=mask),
        "width": [width or None for width in rows.sizes[:, 0].tolist()],
        "height": [height or None for height in rows.sizes[:, 1].tolist()],
        "reason": [failure and failure.reason for failure in found],
        "detail": [failure and valid_unicode(failure.detail) for failure in found],
        "label": [label if label is None else valid_unicode(label) for label in labels],
    }
    kinds = {**dict.fromkeys(columns, "string"), "digest": "binary[32]", "width": "int32", "height": "int32"}
    kinds["vector"] = f"{facts.dtype}[{facts.width}]"
    return parquet.to_parquet(columns, kinds, {"penult": facts.to_json()})


def joined(parts: Sequence[EmbeddedRows]) -> EmbeddedRows:
    """Return the rows of images that were done in parts."""
    starts = np.cumsum([0, *(len(part.ok) for part in parts)])
    failures = {int(start) + i: f for start, part in zip(starts, parts, strict=False) for i, f in part.failures.items()}
    return EmbeddedRows(
        np.concatenate([part.digests for part in parts]),
        np.concatenate([part.ok for part in parts]),
        failures,
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.sizes for part in parts]),
    )


def _crashed(n: int, facts: PlanFacts) -> EmbeddedRows:
    failures = {i: Failure(CRASHED, _("its process died on it, again and again")) for i in range(n)}
    empty: NDArray[np.float32] = np.empty((0, facts.width), np.float32)
    return EmbeddedRows(np.zeros((n, 32), np.uint8), np.zeros(n, bool), failures, empty, np.zeros((n, 2), np.int32))


def _in_child(extractor: Extractor, members: Sequence[Any]) -> EmbeddedRows | None:
    """Return the rows of images, computed in a process of their own; None where that died."""
    try:
        with Worker("penult.shards.extractor:serve_child") as child:
            child.send((extractor.output.address, list(members)))
            found = next(child.answers())
    except Crashed:
        return None
    return found if isinstance(found, EmbeddedRows) else None


def serve_child(sent: Iterator[Any]) -> Iterator[EmbeddedRows]:
    """Be the child process: compute the rows of the images that are sent."""
    for out, members in sent:
        with Extractor(out, workers=1, check=False) as extractor:
            yield extractor.embed(members)

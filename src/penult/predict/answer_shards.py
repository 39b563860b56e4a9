"""Answers for any number of images, as Parquet shards: the way of the features, with the head at its end.

In: a model file, a source. Out: a folder or an address with the model, its networks and the plan, a shard of answers for each
part of the plan, and a manifest, written last.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import replace

from penult import bundle, parquet, untrusted
from penult.embed import EmbeddedRows, EmbedOptions
from penult.errors import InputError, ProgressCallback, quiet
from penult.i18n import _
from penult.images import TableOptions
from penult.predict.answers import SETS
from penult.predict.predictor import Predictor
from penult.shards import MODEL, PLAN, Extractor, check_asked, is_ready, open_output, plan_facts
from penult.shards.networks import save_networks
from penult.shards.output import Output, name_below
from penult.shards.place import first_images, plan_into
from penult.shards.plan import Plan
from penult.sources import Member
from penult.texts import printable, valid_unicode

_KINDS = {
    "id": "string", "label": "string", "confidence": "float32", "probabilities": "list<float32>", "novelty": "float32",
    "reason": "string", "detail": "string",
}  # fmt: skip


class AnswerWriter(Extractor):
    """Answers one shard after the other, as `Predictor` answers images, by the model that lies in `out`.

    Parameters and errors are those of `Extractor`; `DamagedFile` also where this machine does not reproduce the model's
    self-test.
    """

    def __init__(self, out: str, workers: int | None = None, check: bool = True) -> None:
        super().__init__(out, workers, check)
        facts = self.plan.facts
        model = bundle.read_bundle(io.BytesIO(self.output.read(MODEL)), f"{self.output.address}/{MODEL}")
        self._predictor = Predictor(model, EmbedOptions(facts.device, facts.precision, cache=False), check)
        if pictures := self._predictor.unchecked():
            proba = self._predictor.score(self.embed(pictures).vectors)
            self._predictor.compare(proba, facts.engine, facts.precision)

    def shard_bytes(self, members: Sequence[Member], labels: Sequence[str | None], rows: EmbeddedRows) -> bytes:
        """Return the file of a shard: a row an image; an unreadable one has a reason and no class."""
        ids = [valid_unicode(member.id) for member in members]
        answers = list(self._predictor.from_rows(rows.vectors, ids, rows.failures))
        columns = {
            "id": [answer.id for answer in answers],
            "label": [answer.label for answer in answers],
            "confidence": [answer.confidence for answer in answers],
            "probabilities": [None if answer.failure else list(answer.probabilities.values()) for answer in answers],
            "novelty": [answer.novelty for answer in answers],
            "reason": [answer.failure and answer.failure.reason for answer in answers],
            "detail": [answer.failure and valid_unicode(answer.failure.detail) for answer in answers],
        }
        kinds = dict(_KINDS)
        if "conformal" in self._predictor.bundle.facts:
            columns[SETS] = [None if one.prediction_set is None else ";".join(one.prediction_set) for one in answers]
            kinds[SETS] = "string"
        classes = json.dumps(self._predictor.bundle.classes)
        return parquet.to_parquet(columns, kinds, {"penult": self.plan.facts.to_json(), "penult.classes": classes})


def prepare_answers(
    model: str,
    source: str,
    out: str,
    options: EmbedOptions | None = None,
    *,
    rows: int | None = None,
    table: TableOptions | None = None,
    progress: ProgressCallback = quiet,
) -> tuple[str, ...]:
    """Make a place ready for `AnswerWriter`: the model, its networks, and the plan of the source, which comes last.

    Returns what there is to say of the source. Raises `InputError` where something else is there: features, answers of
    another model, or of another source.
    """
    loaded = bundle.load_bundle(model)
    Predictor(loaded).check_networks()
    output, options = open_output(out), options or EmbedOptions()
    precision = bundle.precision_here(loaded, options.precision, options.device)
    data = untrusted.read_bytes(bundle.model_path(model))
    _refuse_other(output, data)
    if is_ready(out):
        check_asked(Plan.open(name_below(out, PLAN)).facts, source, options, rows=rows)
        return ()
    first_images(source, table or TableOptions(), 1)  # what is no source is refused before anything is written
    output.write(MODEL, data)
    facts = plan_facts(source, loaded.backbones, replace(options, precision=precision), rows=rows, float32=True)
    save_networks(output, loaded.backbones, facts.compute, options)
    return plan_into(output, source, facts, table, progress)


def _refuse_other(output: Output, model: bytes) -> None:
    """Raise `InputError` where shards of something else are in a place."""
    try:
        there = output.read(MODEL)
    except FileNotFoundError:
        if not output.exists(PLAN):
            return
        raise InputError(
            _("{address} holds features, not answers; choose another --out.", address=printable(output.address))
        ) from None
    if hashlib.sha256(there).digest() != hashlib.sha256(model).digest():
        raise InputError(
            _(
                "{address} holds answers of another model; choose another --out, or give that model to go on.",
                address=printable(output.address),
            )
        )

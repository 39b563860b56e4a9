"""The audit without the rest of a training: scan, embed, judge each photo by a model that had not seen it, look over.

In: folders of photos, `Options`. Out: `Audited`. It must not write a run folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from penult import audit, evaluate, heads, images
from penult.arrays import default_errors
from penult.audit import Finding
from penult.audit.finding import findings_html
from penult.embed import at_depth, embed
from penult.errors import InputError, ProgressCallback, quiet
from penult.training.auditing import look_over, summary
from penult.training.material import from_images
from penult.training.measuring import make_head
from penult.training.networks import networks
from penult.training.options import TrainOptions


@dataclass(frozen=True, slots=True)
class Audited:
    """What was found, the gravest kinds first, the summary that `metrics.json` has of it, and what else is to be said."""

    findings: tuple[Finding, ...]
    summary: dict[str, Any]
    notes: tuple[str, ...] = ()

    def _repr_html_(self) -> str:
        return findings_html(self.findings)


@default_errors
def audit_photos(
    source: str, test: str | None = None, options: TrainOptions | None = None, progress: ProgressCallback = quiet
) -> Audited:
    """Audit labelled photos, and the test photos if any. Raises what `train` raises."""
    options = options or TrainOptions()
    heads.check(options.head)
    labelled, other = images.scan_train_and_test(source, test, options.groups, options.table)
    labelled = labelled.in_order()
    options.settings.tolerance.check_scan(labelled, other)
    sources = [image.path for s in (labelled, other) if s is not None for image in s.images]
    training = sources[: len(labelled)]
    chosen = at_depth(networks(options, progress), training, options.settings, progress)
    done = embed(sources, chosen, options.settings, progress, thumbnails=True, calibration=training)
    names = [*labelled.ids, *(other.ids if other else ())]
    options.settings.tolerance.check_failures(names, done.failures)
    material = from_images(labelled, other, done, options.near_duplicates == "group")
    head = make_head(options, material)
    notes, seen = list(material.notes), None
    try:
        seen = evaluate.cross_validate(
            head, material.train.X, material.train.ok_y, material.classes,
            groups=material.groups, seed=options.seed, name="audit",
        )  # fmt: skip
    except InputError as error:  # copies are listed all the same: that is what an audit is for
        notes.append(f"labels were not checked: {error}")
    found = look_over(material, done, seen)
    proba = None
    if material.test is not None and material.test.y is not None and material.test.ok.any():
        head.fit(material.train.X, material.train.ok_y, groups=material.groups)
        prior = np.bincount(material.train.ok_y, minlength=len(material.classes)) / len(material.train.X)
        proba = np.tile(prior, (len(material.test.files), 1))  # (m, k): as in training, for what cannot be read
        proba[material.test.ok] = head.predict_proba(material.test.X)
    return Audited(tuple(found), summary(found, material, proba), tuple(notes))


def write(path: Any, found: Any) -> None:
    """Write findings as CSV, whole or not at all."""
    import csv

    from penult import store

    with store.atomic_write_text(path) as file:
        table = csv.writer(file)
        table.writerow(audit.COLUMNS)
        table.writerows(one.row() for one in found)

"""Write feature rows as HDF5 files of the seed's layout: `train`, `test`, `label`, names, classes and facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import images, store
from penult.backbones import Backbone
from penult.embed.loop import Embedding, embed
from penult.embed.options import EmbedOptions
from penult.embed.remarks import at_depth
from penult.errors import InputError, ProgressCallback, quiet
from penult.i18n import _
from penult.pixels import summarize_failures


def facts(backbone: Backbone, done: Embedding) -> dict[str, Any]:
    """Return what a feature file says about how its rows were made."""
    return {
        "backbone": backbone.name,
        "backbone_digest": backbone.digest,
        "recipe": backbone.recipe.to_dict(),
        "pooling": backbone.pooling,
        "parts": list(backbone.blocks),
        "engine": done.engine,
        "precision": done.compute.precision,
    }


def write_features(
    source: str | Sequence[str],
    out: Path,
    backbones: Sequence[Backbone],
    settings: EmbedOptions | None = None,
    progress: ProgressCallback = quiet,
    table: images.TableOptions | None = None,
    notes: list[str] | None = None,
    test: str | Sequence[str] | None = None,
) -> tuple[Embedding, list[Path]]:
    """Embed images and write their rows to `out`, or to `<out>_<backbone>.h5` for several backbones.

    Where the images are labelled, the files have `label` and the class names too. The rows of `test` are the data set `test`,
    and where there is none those of the images of a table that have no label. `table` says how a table is to be read; what
    there is to say of the images is added to `notes`. Raises `InputError` for an `out` that ends otherwise than HDF5 does.
    """
    store.check_output_file(out, store.HDF5, _("the feature file"))
    settings, table = settings or EmbedOptions(), table or images.TableOptions()
    found, other_table = scan_images(source, table), replace(table, photos=(), all_photos=False, hints=True)
    other = found.unlabelled if test is None else images.scan_unlabelled(test, table=other_table)
    if notes is not None:
        notes += [*found.notes, *(other.notes if other else ())]
        if other is not None and test is None:
            notes.append(_("the photos without a label are the data set `test`"))
    settings.tolerance.check_scan(found, other)
    n, sources, ids = len(found), list(found.sources), list(found.ids)
    if other is not None:
        sources, ids = [*sources, *other.sources], [*ids, *other.ids]
    done = embed(sources, at_depth(backbones, found.sources, settings, progress), settings, progress)
    settings.tolerance.check_failures(ids, done.failures)
    if not done.ok[:n].any():
        raise InputError(
            _(
                "none of the {n} images in {source} can be read: {reasons}; give images that can be read.",
                n=n,
                source=source,
                reasons=summarize_failures(done.failures.values()),
            )
        )
    names = [i for i, ok in zip(ids, done.ok, strict=True) if ok]
    cut = int(done.ok[:n].sum())
    labels: NDArray[np.intp] | None = found.y[done.ok[:n]] if found.classes else None
    files = [out]
    if len(backbones) > 1:
        slugs = store.slugs([(b.name, b.digest) for b in done.backbones])
        files = [out.with_name(f"{out.stem}_{slug}{out.suffix or '.h5'}") for slug in slugs]
    with store.H5Writer() as writer:
        for i, (backbone, path) in enumerate(zip(done.backbones, files, strict=True)):
            writer.write(
                path,
                train=done.row_blocks(i, 0, n),
                label=labels,
                train_files=names[:cut],
                test=None if other is None else done.row_blocks(i, n),
                test_files=names[cut:] or None,
                classes=found.classes,
                facts=facts(backbone, done),
            )
    return done, files


def scan_images(source: str | Sequence[str], table: images.TableOptions) -> images.ImageSet:
    """Return the labelled set where the source is one, else its images without labels."""
    try:
        found = images.scan_labelled(source, table=table)
    except InputError as error:
        found = images.scan_unlabelled(source, table=table)
        if not isinstance(source, str) or not images.read_as_table(source, table):
            return found
        return replace(found, notes=(*found.notes, _("no labels were written: {error}", error=error)))
    if found.task == "classes":
        return found
    said = _("no labels were written: photos have several, and the data set `label` has room for one")
    return replace(found, classes=(), notes=(*found.notes, said))

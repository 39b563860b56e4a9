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
from penult.pixels import summarize_failures
from penult.sources.names import TABLES


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
    source: str,
    out: Path,
    backbones: Sequence[Backbone],
    settings: EmbedOptions | None = None,
    progress: ProgressCallback = quiet,
    table: images.TableOptions | None = None,
    notes: list[str] | None = None,
) -> tuple[Embedding, list[Path]]:
    """Embed one folder (or CSV) and write its rows to `out`, or to `<out>_<backbone>.h5` for several backbones.

    Where the images are labelled, the files have `label` and the class names too. `table` says how a CSV is to be read; what
    there is to say of the images is added to `notes`. Raises `InputError` for an `out` that ends otherwise than HDF5 does.
    """
    store.check_output_file(out, store.HDF5, "the feature file")
    settings = settings or EmbedOptions()
    found = _scan(source, table or images.TableOptions())
    if notes is not None:
        notes += found.notes
    settings.tolerance.check_scan(found)
    paths = found.sources
    done = embed(paths, at_depth(backbones, paths, settings, progress), settings, progress)
    settings.tolerance.check_failures(found.ids, done.failures)
    if not done.ok.any():
        raise InputError(
            f"none of the {len(found)} images in {source} can be read: {summarize_failures(done.failures.values())}; "
            "give images that can be read."
        )
    names = [i for i, ok in zip(found.ids, done.ok, strict=True) if ok]
    labels: NDArray[np.intp] | None = found.y[done.ok] if found.classes else None
    files = [out]
    if len(backbones) > 1:
        slugs = store.slugs([(b.name, b.digest) for b in done.backbones])
        files = [out.with_name(f"{out.stem}_{slug}{out.suffix or '.h5'}") for slug in slugs]
    with store.H5Writer() as writer:
        for i, (backbone, path) in enumerate(zip(done.backbones, files, strict=True)):
            writer.write(
                path,
                train=done.row_blocks(i),
                label=labels,
                train_files=names,
                classes=found.classes,
                facts=facts(backbone, done),
            )
    return done, files


def _scan(source: str, table: images.TableOptions) -> images.ImageSet:
    """Return the labelled set where the source is one, else its images without labels."""
    try:
        return images.scan_labelled(source, table=table)
    except InputError as error:
        found = images.scan_unlabelled(source, table=table)
        if not source.lower().endswith(TABLES):
            return found
        return replace(found, notes=(*found.notes, f"no labels were written: {error}"))

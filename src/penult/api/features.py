"""Images to features: rows of numbers with their names, in memory or as an HDF5 file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penult import html, images, pixels, store, zoo
from penult.embed import Embedding, at_depth, embed, scan_images, write_features
from penult.errors import InputError, ProgressCallback
from penult.frames import data_frame, short
from penult.i18n import _
from penult.progress import progress_bar
from penult.texts import count
from penult.training.keywords import Keywords


@dataclass(frozen=True, slots=True, eq=False)
class ImageFeatures:
    """The features of images.

    Attributes
    ----------
    X : array (n, d) float32
        A row for each image that could be read, the networks side by side.
    files : tuple of str (n)
        The names of these images.
    labels : tuple of str (n) or None
        Their labels, where the folders or the table tell them.
    names : tuple of str (d)
        The names of the columns: `<backbone>_<number>`.
    failures : dict
        Why images could not be read, by name.
    written : tuple of Path
        The files that were written.
    embedding : Embedding
        What became of each image.

    Examples
    --------
    >>> import penult
    >>> found = penult.embed("photos", backbones="colour_histogram")
    >>> found
    ImageFeatures(images=12, columns=112, failed=0)
    >>> found["cat/0.png"].shape, found.names[0]
    ((112,), 'colour_histogram_0')
    """

    X: NDArray[np.float32]
    files: tuple[str, ...]
    labels: tuple[str, ...] | None
    names: tuple[str, ...]
    failures: dict[str, str]
    written: tuple[Path, ...]
    embedding: Embedding

    def __len__(self) -> int:
        return len(self.X)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return iter(self.X)

    def __getitem__(self, index: Any) -> Any:
        """Return rows of `X`: of a number, a slice, a mask, or of an image by its name."""
        return self.X[self.files.index(index)] if isinstance(index, str) else self.X[index]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.X, dtype=dtype, copy=True if copy is None else copy)

    def __repr__(self) -> str:
        return short("ImageFeatures", images=len(self), columns=self.X.shape[1], failed=len(self.failures))

    def _repr_html_(self) -> str:
        widths = [(b.name, b.width) for b in self.embedding.backbones]
        rows = [(name, *(html.number(float(x), 3) for x in row[:4])) for name, row in zip(self.files, self.X, strict=True)]
        lead = f"{count(len(self), 'image')}, {self.X.shape[1]:,} features"
        return html.result(
            lead, html.table(("network", "columns"), widths), html.table(("file", *self.names[:4]), rows[: html.SHOWN])
        )

    def to_pandas(self) -> Any:
        """Return a `pandas.DataFrame` of the features, indexed by file; a column `label` first where labels are known."""
        columns: dict[str, Any] = {} if self.labels is None else {"label": list(self.labels)}
        columns |= {name: self.X[:, i] for i, name in enumerate(self.names)}
        return data_frame(columns, list(self.files))


def embed_source(
    source: Any,
    *,
    out: str | Path | None = None,
    verbose: bool | None = None,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> ImageFeatures:
    """Extract features, as `penult embed` does.

    Parameters
    ----------
    source : str or Path, or images
        A folder of images, labelled or not, a table, a tar, zip or Parquet file; or images as `penult.predict` takes them.
    out : str or Path, optional
        An HDF5 file to write as well, one for each of several networks (``FILE_<backbone>.h5``).
    verbose : bool, optional
        Show progress: by default in a terminal and in a notebook; False nowhere.
    progress : callable, optional
        Called as `progress(step, done, total)`, instead of a bar.
    **options
        The other options of `penult embed`, with ``_`` for ``-``: `backbones`, `crop_mode`, `views`, `pooling`, `device` ...

    Returns
    -------
    ImageFeatures
        The rows with their names and labels; `numpy.asarray` of it is the array (n, d).

    Raises
    ------
    InputError
        For images that cannot be used; shards, for more images than memory holds, are written by the command line.

    Examples
    --------
    >>> import penult
    >>> found = penult.embed("photos", backbones="colour_histogram")
    >>> found.X.shape, found.labels[0]
    ((12, 112), 'cat')
    """
    named = Keywords(options)
    asked, settings, table = named.networks(), named.settings(), named.table()
    named.end()
    if out is not None:
        store.check_output_file(out, store.HDF5, "out")
    changes = {} if asked.get("crop_mode") is None else {"crop_mode": asked["crop_mode"]}
    more = {"cache": settings.cache, "recipe": asked.get("recipe"), **changes}
    with progress_bar(verbose, progress) as shown:
        networks = [
            zoo.find_backbone(name, asked.get("pooling"), progress=shown, **more)
            for name in zoo.expand(asked.get("backbones", zoo.DEFAULT))
        ]
        by_path = isinstance(source, str | os.PathLike)
        if out is not None and not by_path:
            raise InputError(_("a feature file is of a folder, a table or an archive; leave out= away, or give its path."))
        if out is not None:
            done, written = write_features(os.fspath(source), Path(out), networks, settings, shown, table)
            found = _scanned(source, table)
        else:
            found = _scanned(source, table) if by_path else _in_memory(source)
            settings.tolerance.check_scan(*([found.scan] if found.scan else []))
            networks = list(at_depth(networks, found.sources, settings, shown))
            done, written = embed(found.sources, networks, settings, shown), []
            settings.tolerance.check_failures(found.ids, done.failures)
    return _features(found, done, written)


@dataclass(frozen=True, slots=True)
class _Found:
    sources: list[Any]
    ids: list[str]
    labels: list[str] | None
    scan: images.ImageSet | None


def _scanned(source: str | os.PathLike[str], table: images.TableOptions) -> _Found:
    found = scan_images(os.fspath(source), table)
    labels = [str(one.label) for one in found.images] if found.classes else None
    return _Found(list(found.sources), list(found.ids), labels, found)


def _in_memory(given: Any) -> _Found:
    sources = pixels.image_list(given)
    labels = pixels.dataset_labels(given)
    names = [pixels.image_name(i, one) for i, one in enumerate(sources)]
    return _Found(sources, names, None if labels is None else [str(one) for one in labels], None)


def _features(found: _Found, done: Embedding, written: list[Path]) -> ImageFeatures:
    n = len(found.ids)  # a file may hold others as well
    if not done.ok[:n].any():
        why = pixels.summarize_failures(done.failures.values())
        raise InputError(
            _("none of the {images} can be read: {why}; give images that can be read.", images=count(n, "image"), why=why)
        )
    kept = np.flatnonzero(done.ok[:n]).tolist()
    return ImageFeatures(
        X=done.features()[: len(kept)],
        files=tuple(found.ids[i] for i in kept),
        labels=None if found.labels is None else tuple(found.labels[i] for i in kept),
        names=tuple(f"{b.name}_{i}" for b in done.backbones for i in range(b.width)),
        failures={found.ids[i]: failure.reason for i, failure in sorted(done.failures.items()) if i < n},
        written=tuple(written),
        embedding=done,
    )

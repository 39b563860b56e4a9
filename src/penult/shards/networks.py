"""The networks of a plan by value, beside its shards, and pictures that tell whether a machine computes what the plan's did.

In: backbones. Out: files in OUT/backbones, and the same backbones again on a machine that has neither torch nor a cache; or
the reason why this machine's vectors of three drawn pictures are others.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penult import parquet, pixels, untrusted
from penult.arrays import drawn_picture
from penult.backbones import Backbone
from penult.embed import EmbedOptions, WarmEmbedder
from penult.engines import Compute
from penult.errors import DamagedFile, InputError
from penult.i18n import _
from penult.shards.facts import NetworkFacts, PlanFacts
from penult.shards.output import Output
from penult.texts import printable

PICTURES = "pictures.parquet"
_SIZES = ((300, 225), (225, 300), (256, 256))
# How far a vector may be off, as a share of its length: engines in f32 differ by less than 1e-4, and two ways to round to 8
# bits of mantissa by about 1e-2.
_OFF = {"f32": 1e-3}
_OFF_ROUNDED = 5e-2


@dataclass(frozen=True, slots=True)
class CheckedPictures:
    """Drawn pictures as JPEG files, and their vectors (m, d) on the machine that made the plan."""

    files: tuple[bytes, ...]
    vectors: NDArray[np.float32]  # (m, d)

    def images(self) -> list[NDArray[np.uint8]]:
        """Return the pictures, each (h, w, 3)."""
        found = [pixels.decode(data) for data in self.files]
        return [one for one in found if not isinstance(one, pixels.Failure)]


def save_networks(output: Output, networks: Sequence[Backbone], compute: Compute, options: EmbedOptions) -> None:
    """Write every network, and the pictures with their vectors as this machine computes them, as far as they are not there.

    Raises `OutputError`, and `InputError` for a network whose vectors are not finite.
    """
    for backbone in networks:
        record, graph = _names(backbone.digest)
        if output.exists(record):
            continue
        data = backbone.graph()
        output.write(graph, data)  # before its record, by which it is found
        about = {"record": backbone.to_dict(), "sha256": hashlib.sha256(data).hexdigest()}
        output.write(record, json.dumps(about, indent=1, sort_keys=True).encode())
    if not output.exists(PICTURES):
        with closing(WarmEmbedder(networks, compute, options)) as embedder:
            _save_pictures(output, embedder)


def has_networks(output: Output, facts: PlanFacts) -> bool:
    """Tell whether all networks of a plan are there."""
    return all(output.exists(_names(network.digest)[0]) for network in facts.networks)


def load_networks(output: Output, facts: PlanFacts) -> tuple[Backbone, ...]:
    """Return the networks of a plan. Raises `DamagedFile` where one is not there, or not as it was written."""
    return tuple(_load(output, network) for network in facts.networks)


def _load(output: Output, network: NetworkFacts) -> Backbone:
    record, graph = _names(network.digest)
    try:
        about = untrusted.parse_json(output.read(record))
        data = output.read(graph)
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            raise ValueError(_("its graph was changed after it was written"))
        found = Backbone.from_dict(about["record"], data)
        if (found.name, found.digest, found.blocks) != (network.name, network.digest, network.blocks):
            raise ValueError(_("it is another network than its name says"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = printable(str(error)[:200].rstrip(".。"))
        raise DamagedFile(
            _(
                "{address}/{record} cannot be used ({said}); copy it again, or run the command that wrote it again on "
                "a machine that has the network.",
                address=printable(output.address),
                record=record,
                said=said,
            )
        ) from error
    return found


def files_beside(facts: PlanFacts) -> list[str]:
    """Return the names of the files that stand beside the shards of a plan: networks and pictures."""
    return [PICTURES, *(name for network in facts.networks for name in _names(network.digest))]


def _names(digest: str) -> tuple[str, str]:
    return f"backbones/{digest[:20]}.json", f"backbones/{digest[:20]}.onnx"


def _save_pictures(output: Output, embedder: WarmEmbedder) -> None:
    files = _draw()
    vectors = _vectors(files, embedder)
    if not np.isfinite(vectors).all():
        raise InputError(
            _("the vectors of a drawn picture are not finite; nothing was planned. Run the networks with --precision f32.")
        )
    kinds = {"picture": "binary", "vector": f"float32[{vectors.shape[1]}]"}
    output.write(PICTURES, parquet.to_parquet({"picture": files, "vector": vectors}, kinds, {}))


def load_pictures(output: Output) -> CheckedPictures:
    """Return the drawn pictures of a plan. Raises `DamagedFile`."""
    where = f"{output.address}/{PICTURES}"
    try:
        reader = parquet.ParquetReader(output.read(PICTURES), where)
    except OSError as error:
        raise DamagedFile(
            _("{where} cannot be read ({error}); run the command that wrote it again.", where=printable(where), error=error)
        ) from error
    vectors = reader.vectors("vector")
    return CheckedPictures(tuple(reader.read(["picture"])["picture"]), np.asarray(vectors, np.float32))


def check_pictures(output: Output, facts: PlanFacts, embedder: WarmEmbedder) -> float:
    """Compute the drawn pictures here, and return how far off the worst is. Raises `InputError` where that is too far."""
    wanted = load_pictures(output)
    seen = _vectors(wanted.files, embedder)
    if seen.shape != wanted.vectors.shape:
        raise DamagedFile(
            _(
                "{address}/{pictures} is of other networks; make a new plan elsewhere.",
                address=printable(output.address),
                pictures=PICTURES,
            )
        )
    lengths = np.maximum(np.linalg.norm(wanted.vectors, axis=1), 1e-12)  # (m,)
    off = float((np.linalg.norm(seen - wanted.vectors, axis=1) / lengths).max())
    if not off <= _OFF.get(facts.precision, _OFF_ROUNDED):
        raise InputError(
            _(
                "this machine computes other features than the one that made the plan: those of a drawn picture are "
                "off by {off:.2g}% ({engine}, {precision}); run `penult doctor` here. Leave this machine out, or "
                "make a new plan with --precision f32.",
                off=100 * off,
                engine=facts.engine,
                precision=facts.precision,
            )
        )
    return off


def _vectors(files: Sequence[bytes], embedder: WarmEmbedder) -> NDArray[np.float32]:
    done = embedder.run([pixels.FileContent(data) for data in files])
    if done.failures:
        why = next(iter(done.failures.values()))
        raise InputError(
            _(
                "a drawn picture cannot be decoded here ({reason}); run `penult doctor`, which looks at the installation.",
                reason=why.reason,
            )
        )
    return done.vectors


def _draw() -> list[bytes]:
    """Return the drawn pictures as JPEG files."""
    squares = (np.rot90(drawn_picture(max(size))[0], turn) for turn, size in enumerate(_SIZES))
    return [
        pixels.encode_jpeg(np.ascontiguousarray(square[:height, :width]))
        for square, (width, height) in zip(squares, _SIZES, strict=True)
    ]

"""What the vectors of a plan depend on beside the images: networks, engine, precision, preprocessing; and who can keep it.

In: networks and options, where `auto` may stand. Out: `PlanFacts`, where it does not, which stand in the plan and in every
shard; or on another machine the reason why it cannot compute the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from penult import engines, pixels, untrusted
from penult.backbones import Backbone
from penult.embed import EmbedOptions
from penult.errors import DamagedFile, InputError, what_and_cure
from penult.i18n import _
from penult.texts import printable

FORMAT = 1  # raised where a reader of today would read a plan or shard wrongly
DTYPES = ("float16", "float32")
ROWS = 1000  # images of a shard; benchmarks/cluster.py cost
_MOST_ROWS = 1_000_000
_MOST_WIDTH = 1 << 20
_SHA256 = re.compile("[0-9a-f]{64}")
_KEY = ("format", "networks", "engine", "precision", "preprocessing", "dtype", "max_pixels")


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """One network of a plan: its name, its digest (weights, recipe, pooling) and the widths of its blocks of columns."""

    name: str
    digest: str
    blocks: tuple[int, ...]

    @property
    def width(self) -> int:
        """The number of columns."""
        return sum(self.blocks)


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """What a plan fixes, so that every machine computes the same vectors.

    `device` and `precision` are what computes ("cpu", "bf16"), never "auto"; `dtype` is how vectors are stored; `rows` how
    many images a shard has. `processor` and `penult` say where the plan was made; vectors do not depend on them.
    """

    source: str
    networks: tuple[NetworkFacts, ...]
    device: str
    engine: str
    precision: str
    preprocessing: str
    dtype: str = "float16"
    rows: int = ROWS
    max_pixels: int = pixels.MAX_PIXELS
    processor: str = ""
    penult: str = ""
    format: int = FORMAT

    @property
    def width(self) -> int:
        """The number of columns of all networks side by side, d."""
        return sum(network.width for network in self.networks)

    @property
    def blocks(self) -> tuple[int, ...]:
        """The blocks of all networks, in the order of the columns."""
        return sum((network.blocks for network in self.networks), ())

    @property
    def compute(self) -> engines.Compute:
        """What computes the networks."""
        return engines.Compute(self.device, self.precision)

    @property
    def key(self) -> str:
        """The sha256 (hex) of all that the content of a shard depends on beside its images."""
        facts = asdict(self)
        text = json.dumps({name: facts[name] for name in _KEY}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the facts as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str, name: str = "") -> PlanFacts:
        """Return the facts that `to_json` wrote. Raises `DamagedFile` for anything else; `name` is the file."""
        try:
            found = untrusted.parse_json(text.encode())
            if found["format"] > FORMAT:
                raise ValueError(
                    _("its format {format} is newer than this penult; pip install --upgrade penult", format=found["format"])
                )
            found["networks"] = tuple(NetworkFacts(n["name"], n["digest"], tuple(n["blocks"])) for n in found["networks"])
            made = cls(**{field.name: found[field.name] for field in fields(cls)})
            made._check()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            said = printable(str(error)[:200].rstrip(".。"))
            where = printable(name) if name else _("the plan")
            raise DamagedFile(
                _("{where} does not say what it was made with ({said}); make it again.", where=where, said=said)
            ) from error
        return made

    def _check(self) -> None:
        """Raise `ValueError` for values that no plan has."""
        texts = (self.source, self.device, self.engine, self.precision, self.preprocessing, self.processor, self.penult)
        names = (one.name for one in self.networks)
        if not all(isinstance(text, str) for text in (*texts, *names)) or self.dtype not in DTYPES:
            raise ValueError(_("texts or dtype"))
        if not all(isinstance(one.digest, str) and _SHA256.fullmatch(one.digest) for one in self.networks):
            raise ValueError(_("digests of networks"))
        if not self.networks or not all(type(width) is int and width > 0 for width in self.blocks):
            raise ValueError(_("networks or blocks"))
        counts = {self.rows: _MOST_ROWS, self.max_pixels: pixels.MAX_SIDE**2, self.width: _MOST_WIDTH}
        if not all(type(value) is int and 1 <= value <= most for value, most in counts.items()):
            raise ValueError(_("rows, max_pixels or width"))


def plan_facts(
    source: str,
    networks: Sequence[Backbone],
    options: EmbedOptions | None = None,
    *,
    rows: int | None = None,
    float32: bool = False,
) -> PlanFacts:
    """Return the facts of a plan for these networks, `auto` resolved on this machine. Raises what `engines.resolve` raises."""
    from penult import __version__

    options = options or EmbedOptions()
    rows = ROWS if rows is None else rows
    if not 1 <= rows <= _MOST_ROWS:
        raise InputError(
            _(
                "{rows:,} images a shard were asked for; give --rows a number from 1 to {most_rows:,}.",
                rows=rows,
                most_rows=_MOST_ROWS,
            )
        )
    compute = options.compute(networks)
    return PlanFacts(
        source=source,
        networks=tuple(NetworkFacts(b.name, b.digest, b.blocks) for b in networks),
        device=compute.device,
        engine=engines.engine_of(networks, compute.device),
        precision=compute.precision,
        preprocessing=pixels.preprocessing_version(),
        dtype=DTYPES[float32],
        rows=rows,
        max_pixels=options.max_pixels,
        processor=engines.cpu_name(),
        penult=__version__,
    )


def check_machine(facts: PlanFacts, networks: Sequence[Backbone]) -> None:
    """Raise `InputError` where this machine cannot compute what a plan fixes.

    Nothing is computed here: see `networks.check_pictures` for that.
    """
    if facts.preprocessing != (here := pixels.preprocessing_version()):
        raise InputError(
            _(
                "this machine decodes and resizes photos by version {here}, the plan by {preprocessing}; {cure}.",
                here=here,
                preprocessing=facts.preprocessing,
                cure=_cure(facts.preprocessing),
            )
        )
    try:
        compute = engines.resolve(facts.device, facts.precision, networks)
        engine = engines.engine_of(networks, compute.device)
    except (InputError, LookupError, ImportError) as error:
        said = what_and_cure(error)[0].rstrip(".。")
        raise InputError(
            _(
                "this machine cannot keep the plan, which fixes {precision} on {device}: {said}; leave it out, or "
                "make a new plan with --precision f32, which every machine computes.",
                precision=facts.precision,
                device=facts.device,
                said=said,
            )
        ) from error
    if (compute, engine) != (facts.compute, facts.engine):
        raise InputError(
            _(
                "this machine computes in {precision} on {device} ({engine}), the plan fixes {planned} on "
                "{planned_device} ({planned_engine}); install the same version of penult, or make a new plan.",
                precision=compute.precision,
                device=compute.device,
                engine=engine,
                planned=facts.precision,
                planned_device=facts.device,
                planned_engine=facts.engine,
            )
        )


def _cure(preprocessing: str) -> str:
    own, _other, pillow = preprocessing.partition(".pillow")
    if pillow.isdigit() and own == pixels.preprocessing_version().partition(".")[0]:
        return _("pip install 'pillow=={version}.*' here, or make a new plan", version=pillow)
    return _("install the version of penult that made the plan, or make a new plan")

"""Make a place ready for shards: networks by value, drawn pictures with their vectors, and, last, the plan.

In: a source or a plan, networks, a place. Out: a place in which any machine can work; or the reason why what is there is of
something else.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain, islice
from pathlib import Path

from penult import images, quantize, sources
from penult.backbones import Backbone
from penult.embed import EmbedOptions, at_depth
from penult.errors import InputError, ProgressCallback, quiet
from penult.i18n import N_, _
from penult.images import TableOptions
from penult.objects import is_url
from penult.pixels import DEPTHS, MAX_PIXELS
from penult.shards.facts import PlanFacts, plan_facts
from penult.shards.manifest import MANIFEST
from penult.shards.networks import PICTURES, has_networks, save_networks
from penult.shards.output import MODEL, PLAN, Output, name_below, open_output, sha256_at, whole_file
from penult.shards.plan import Plan, is_plan
from penult.shards.planning import make_plan
from penult.sources.remote_file import open_binary
from penult.texts import printable

_LOOKED_AT = 1000  # images of a source, the first ones, of which depth and calibration are found out
WORKING = "planning"  # has how many images are planned, while a plan is made
_TOLD = 20.0  # seconds between two times that this is written
_PATIENCE, _PAUSE = 600.0, 2.0  # seconds that a part waits for a sign of part 1, and between two looks


def is_features(address: str | Path) -> bool:
    """Tell whether shards are, or are being, written to a folder or address; see `refuse_answers`."""
    output = open_output(address)
    try:  # other programs have manifests, too
        if b'"plan_sha256"' in output.read(MANIFEST):
            return True
    except OSError:
        pass
    return output.exists(PLAN) and is_plan(name_below(output.address, PLAN))


def is_ready(out: str) -> bool:
    """Tell whether plan, networks and pictures are in a place."""
    output = open_output(out)
    if not output.exists(PLAN) or not output.exists(PICTURES):
        return False
    return has_networks(output, Plan.open(name_below(out, PLAN)).facts)


def make_ready(
    source: str,
    out: str,
    networks: Sequence[Backbone],
    options: EmbedOptions | None = None,
    *,
    rows: int | None = None,
    float32: bool = False,
    table: TableOptions | None = None,
    progress: ProgressCallback = quiet,
) -> tuple[str, ...]:
    """Write networks, pictures and plan, as far as they are not there; a `source` that is a plan is copied.

    Returns what there is to say of the source. Raises `InputError` where a plan is there that was made with other networks.
    """
    output, options = open_output(out), options or EmbedOptions()
    plan = _plan_of(source, output)
    if plan is None:
        networks = fitted_networks(source, networks, options, table, progress)
        facts = plan_facts(source, networks, options, rows=rows, float32=float32)
    else:
        facts = plan.facts
        if facts.precision == "int8":
            networks = quantize.in_int8(networks, _first_of_plan(plan), options.folder, progress)
        networks = _same_networks(facts, networks, plan.path)
    save_networks(output, networks, facts.compute, options)
    if plan is None:
        return plan_into(output, source, facts, table, progress)
    if is_plan(source):
        take_plan(source, out)
    return ()


def plan_into(
    output: Output, source: str, facts: PlanFacts, table: TableOptions | None, progress: ProgressCallback
) -> tuple[str, ...]:
    """Plan a source into a place, with signs of work for parts that wait; return what there is to say of the source."""
    with _signs_of_work(output, progress) as shown:
        return make_plan(source, name_below(output.address, PLAN), facts, table=table, progress=shown).notes


def take_plan(source: str, out: str) -> None:
    """Copy a plan into a place. Raises `InputError` where another one is there, of which it is no addition (`plan --add`)."""
    output, there = open_output(out), name_below(out, PLAN)
    if output.exists(PLAN):
        if sha256_at(source) == sha256_at(there):
            return
        old, new = Plan.open(there).tasks(), Plan.open(source).tasks()
        if len(new) < len(old) or any(one.name != other.name for one, other in zip(old, new, strict=False)):
            raise InputError(
                _(
                    "{out} has another plan, of which {source} is no addition; give the plan that was made from it by "
                    "`penult plan --add`, or choose another --out.",
                    out=printable(out),
                    source=printable(source),
                )
            )
    with open_binary(source) as file, whole_file(there) as target:
        shutil.copyfileobj(file, target)


def fitted_networks(
    source: str,
    networks: Sequence[Backbone],
    options: EmbedOptions,
    table: TableOptions | None = None,
    progress: ProgressCallback = quiet,
) -> Sequence[Backbone]:
    """Return networks as the first images of a source want them: at the depth of its files, in int8 calibrated with them."""
    looked_at = first_images(source, table or TableOptions())
    networks = at_depth(networks, looked_at, options, progress)
    return quantize.in_int8(networks, looked_at, options.folder, progress) if options.precision == "int8" else networks


@contextmanager
def _signs_of_work(output: Output, progress: ProgressCallback) -> Iterator[ProgressCallback]:
    """Yield a progress callback that also writes, now and then, how many images are planned."""
    last = time.monotonic()

    def shown(step: str, done: int, total: int) -> None:
        nonlocal last
        progress(step, done, total)
        if time.monotonic() - last >= _TOLD:
            output.write(WORKING, str(done).encode())
            last = time.monotonic()

    yield shown
    output.delete(WORKING)


def wait_for_plan(out: str, progress: ProgressCallback = quiet, patience: float = _PATIENCE) -> None:
    """Wait until part 1 has made the place ready. Raises `InputError` where it shows no sign of work for so many seconds."""
    output, seen, began = open_output(out), b"", time.monotonic()
    while not is_ready(out):
        with suppress(FileNotFoundError):
            if (sign := output.read(WORKING)) != seen:
                seen, began = sign, time.monotonic()
        waited = time.monotonic() - began
        progress(N_("seconds of waiting for part 1"), int(waited), int(patience))
        if waited > patience:
            raise InputError(
                _(
                    "there is no plan in {out} yet: part 1 makes it, and has not; start part 1, or make it first by "
                    "`penult plan` and give the plan in the place of the source.",
                    out=printable(out),
                )
            )
        time.sleep(_PAUSE)


def refuse_answers(out: str) -> None:
    """Raise `InputError` where the answers of a model are in a place, which has a plan as well."""
    if open_output(out).exists(MODEL):
        raise InputError(
            _(
                "{out} holds answers of a model, which `penult predict --out` wrote, not features; give another "
                "folder or address.",
                out=printable(out),
            )
        )


def check_asked(
    facts: PlanFacts, source: str | None, options: EmbedOptions, *, rows: int | None = None, float32: bool = False
) -> None:
    """Raise `InputError` where a place was planned otherwise than is asked for now; a `source` of None is that of the plan."""
    limit = None if options.max_pixels == MAX_PIXELS else options.max_pixels
    asked = {"device": options.device, "precision": options.precision, "rows": rows, "max-pixels": limit}
    planned = {"device": facts.device, "precision": facts.precision, "rows": facts.rows, "max-pixels": facts.max_pixels}
    said = [f"--{name} {planned[name]}" for name, value in asked.items() if value not in (None, "auto", planned[name])]
    if float32 and facts.dtype != "float32":
        said.append(_("without --float32"))
    if source is not None and _absolute(source) != _absolute(facts.source):
        said.insert(0, _("of {source}", source=facts.source))
    if said:
        raise InputError(
            _(
                "the shards that are there were planned otherwise: {options}; give the same to go on, or choose "
                "another --out.",
                options=", ".join(map(printable, said)),
            )
        )


def _plan_of(source: str, output: Output) -> Plan | None:
    if output.exists(PLAN):
        return Plan.open(name_below(output.address, PLAN))
    return Plan.open(source) if is_plan(source) else None


def _absolute(source: str) -> str:
    return source.rstrip("/") if is_url(source) else os.path.abspath(source)  # noqa: PTH100 - as the plan has it


def first_images(source: str, table: TableOptions, most: int = _LOOKED_AT) -> Sequence[str | sources.Member]:
    """Return the first images of a source. Raises `InputError` for what is none."""
    if sources.kind_of(source) == "table":
        listed = images.Table(source, table).stream(images.ScanLog(), images.LabelNormalizer())
        return [image.source for image in islice(listed, most)]
    return list(islice(sources.members(source, columns=table.refuse_for(source)), most))


def _first_of_plan(plan: Plan) -> list[sources.Member]:
    """Return the same images, of a plan."""
    return list(islice(chain.from_iterable(map(plan.members, range(len(plan)))), _LOOKED_AT))


def check_networks(facts: PlanFacts, networks: Sequence[Backbone]) -> None:
    """Raise `InputError` where these are not the networks of a plan; in int8 their names alone are compared."""
    if facts.precision != "int8" or [b.name for b in networks] != [network.name for network in facts.networks]:
        _same_networks(facts, networks, _("the plan"))


def _same_networks(facts: PlanFacts, networks: Sequence[Backbone], where: str) -> tuple[Backbone, ...]:
    """Return the networks as a plan has them, at its depth. Raises `InputError` where they are others."""
    wanted = [network.digest for network in facts.networks]
    for depth in DEPTHS:
        found = tuple(network.at_depth(depth) for network in networks)
        if [network.digest for network in found] == wanted:
            return found
    names = ", ".join(network.name for network in facts.networks)
    raise InputError(
        _(
            "{where} was made with {names} in {precision}, and these networks, or their weights or preprocessing, are "
            "others; give the same by -b and --fit, or make a new plan.",
            where=printable(where),
            names=printable(names),
            precision=facts.precision,
        )
    )

"""`penult compare`: turn the words into one call, and print the table, the reason and the line to type next."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from penult.cli import show
from penult.texts import count, percent

if TYPE_CHECKING:
    from penult.compare import CombinationScore, Comparison


def compare(parser: argparse.ArgumentParser, asked: argparse.Namespace) -> None:
    """`penult compare`."""
    from penult import compare as room
    from penult import store
    from penult.backbones import DEFAULT
    from penult.cli.commands import columns, recipe, settings

    store.check_output_folder(asked.out, "--out")
    options = room.CompareOptions(
        out=asked.out,
        backbones=tuple(asked.backbone or DEFAULT),
        head=asked.head,
        class_weight=asked.class_weight,
        budget=None if asked.budget is None else room.seconds(asked.budget),
        sample=asked.sample,
        groups=asked.groups,
        near_duplicates=asked.near_duplicates,
        **columns(asked),
        crop_mode=asked.fit,
        pooling=asked.pooling,
        recipe=recipe(asked),
        seed=asked.seed,
        settings=settings(asked),
    )
    with show.progress(not asked.quiet) as progress:
        found = room.compare(asked.train, options, progress)
    if asked.json:
        show.as_json({**found.to_dict(), "folder": asked.out})
        return
    _show(found, asked.out)


def _show(found: Comparison, out: str) -> None:
    from penult.evaluate import imbalanced

    engine, device, precision = found.engine
    images = sum(found.classes.values())
    show.out(
        f"{count(images, 'image')} of {count(len(found.classes), 'class', 'classes')}, "
        f"each judged by a {found.options.head} head that had not seen it; "
        f"{device} ({engine}, {precision})"
    )
    for text in found.notes:
        show.out(f"note: {show.printable(text)}")
    rows = [_row(found, entry) for entry in found.entries]
    names = ["", "log loss (95% interval)", "accuracy", "images/s", "width", "front", "license"]
    if imbalanced(found.classes.values()):
        names.insert(3, "balanced accuracy")
        for row, entry in zip(rows, found.entries, strict=True):
            row.insert(3, percent(entry.scores["balanced_accuracy"].value))
    show.out(show.table(names, rows))
    show.out("front: nothing else is both faster and better")
    lines = [f"  {show.printable(found.label(e))}: {_adds(found, e)}" for e in found.entries if e.adds]
    if lines:
        show.out("what each member adds, as log loss that it takes away (95% interval):")
        show.out("\n".join(lines))
    for one in found.left_out:
        show.out(f"left out: {show.printable(one.name)}: {show.printable(one.reason)}")
    show.out(f"written to {show.printable(str(out))}: compare.csv, figures/compare.png, figures/compare.svg, compare.json")
    show.out(f"recommended: {show.printable(found.reason)}")
    show.out(show.printable(found.next_line))


def _row(found: Comparison, entry: CombinationScore) -> list[str]:
    scores = entry.scores
    speed = entry.images_per_second
    return [
        found.label(entry),
        show.score(scores["log_loss"].to_dict()),
        percent(scores["accuracy"].value),
        f"{speed:.0f}" if speed >= 10 else f"{speed:.2g}",
        str(entry.width),
        "*" if entry.pareto else "",
        entry.license,
    ]


def _adds(found: Comparison, entry: CombinationScore) -> str:
    """Return what each member adds: `lite0 0.0031 (0.0012 to 0.0050); lite2: nothing that can be measured`."""
    clear = {found.short[name]: gap for name, gap in entry.adds.items() if gap.clear}
    if not clear:
        return "nobody adds anything that can be measured"
    said = ", ".join(f"{name} {gap.value:.4f} ({gap.low:.4f} to {gap.high:.4f})" for name, gap in clear.items())
    rest = [found.short[name] for name, gap in entry.adds.items() if not gap.clear]
    return f"{said}; {', '.join(rest)}: nothing that can be measured" if rest else said

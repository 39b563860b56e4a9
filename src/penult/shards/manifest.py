"""The manifest, which says what all shards hold, and is written last.

In: a plan and a place. Out: OUT/shards.csv (a line for each shard, in the order of the plan) and OUT/manifest.json. Both are
made of the receipts, the same bytes whoever writes them, so several may end at the same time.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from penult.errors import DamagedFile, InputError
from penult.i18n import _
from penult.parquet import ParquetReader
from penult.shards.facts import PlanFacts
from penult.shards.output import Output
from penult.shards.writer import (
    DONE,
    Receipt,
    TaskList,
    checked_values,
    done_names,
    read_receipts,
    sha256_of_values,
    shard_file,
)
from penult.texts import printable

MANIFEST, TABLE = "manifest.json", "shards.csv"
_COLUMNS = ("name", "rows", "embedded", "size", "sha256")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What stands in a place that is complete: counts, failures by reason, facts, and the sums of plan and table of shards.

    `files` has the sha256 of networks and pictures. `replaced` has, by the name of a shard, those of its rows with values that
    count no more, because a later shard has a newer version of the same image (`penult plan --add`); `replaced_failed` those
    without values. No count has them.
    """

    images: int
    embedded: int
    failed: int
    reasons: dict[str, int]
    shards: int
    size: int  # bytes of all shards
    facts: PlanFacts
    plan_sha256: str
    shards_sha256: str
    replaced: dict[str, list[int]] = field(default_factory=dict)
    replaced_failed: dict[str, list[int]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the manifest as indented JSON; its last line has the sha256 of all others."""
        values = {**asdict(self), "facts": json.loads(self.facts.to_json())}
        values["sha256"] = sha256_of_values(values)
        return json.dumps(values, indent=1) + "\n"

    @classmethod
    def from_json(cls, data: bytes, where: str) -> Manifest:
        """Return the manifest that `to_json` wrote. Raises `DamagedFile` for anything else."""
        try:
            values = checked_values(data, "sha256")
            facts = PlanFacts.from_json(json.dumps(values.pop("facts")), where)
            return cls(facts=facts, **values)
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            said = printable(str(error)[:200].rstrip(".。"))
            raise DamagedFile(
                _(
                    "{where} is not as it was written ({said}); remove it, and run the command that wrote it again: "
                    "it is made anew.",
                    where=printable(where),
                    said=said,
                )
            ) from error


def write_manifest(
    plan: TaskList[Any],
    output: Output,
    facts: PlanFacts,
    plan_sha256: str,
    replaced: Mapping[str, Sequence[int]] | None = None,
    files: Mapping[str, str] | None = None,
) -> Manifest:
    """Write the manifest of a place whose shards are all there. Raises `InputError` where some are not, or do not add up.

    `replaced` are the rows that later shards replace, by the names of shards, `files` the sha256 of what is beside them.
    """
    tasks = plan.tasks()
    missing = {task.name for task in tasks} - done_names(output)
    if missing:
        raise InputError(
            _(
                "{missing:,} of {tasks:,} shards are not done in {address}; run the same command again.",
                missing=len(missing),
                tasks=len(tasks),
                address=printable(output.address),
            )
        )
    receipts = read_receipts(output, [task.name for task in tasks])
    table, total, reasons = io.StringIO(), Counter[str](), Counter[str]()
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(_COLUMNS)
    for task, receipt in zip(tasks, receipts, strict=True):
        if receipt.rows != task.rows or receipt.name != task.name:
            raise DamagedFile(
                _(
                    "the receipt of shard {name} is of {rows:,} images, the plan has {planned:,}; remove "
                    "{address}/{done}/{name}.json, and run the same command again.",
                    name=task.name, rows=receipt.rows, planned=task.rows, address=printable(output.address), done=DONE,
                )
            )  # fmt: skip
        lines.writerow([getattr(receipt, column) for column in _COLUMNS])
        total.update(rows=receipt.rows, embedded=receipt.embedded, size=receipt.size)
        reasons.update(receipt.reasons)
    data = table.getvalue().encode()
    gone, gone_failed, again = _replaced(output, replaced or {})
    reasons.subtract(again)
    total["rows"] -= sum(map(len, (replaced or {}).values()))
    total["embedded"] -= sum(map(len, gone.values()))
    made = Manifest(
        total["rows"],
        total["embedded"],
        total["rows"] - total["embedded"],
        dict(sorted((+reasons).items())),
        len(tasks),
        total["size"],
        facts,
        plan_sha256,
        hashlib.sha256(data).hexdigest(),
        gone,
        gone_failed,
        dict(sorted((files or {}).items())),
    )
    output.write(TABLE, data)
    output.write(MANIFEST, made.to_json().encode())
    return made


def _replaced(
    output: Output, replaced: Mapping[str, Sequence[int]]
) -> tuple[dict[str, list[int]], dict[str, list[int]], Counter[str]]:
    """Return the replaced rows of each shard with values, those without, and how often each reason is among these."""
    embedded, failed, reasons = dict[str, list[int]](), dict[str, list[int]](), Counter[str]()
    for name, rows in sorted(replaced.items()):
        found = ParquetReader(output.read(shard_file(name)), name).read(["reason"])["reason"]
        reasons.update(found[row] for row in rows if found[row] is not None)
        for kept, fails in ((embedded, False), (failed, True)):
            if some := [row for row in rows if (found[row] is not None) == fails]:
                kept[name] = some
    return embedded, failed, reasons


def read_manifest(output: Output) -> Manifest:
    """Return the manifest of a place. Raises `InputError` where there is none, `DamagedFile`."""
    where = f"{output.address}/{MANIFEST}"
    try:
        return Manifest.from_json(output.read(MANIFEST), where)
    except FileNotFoundError:
        raise InputError(
            _(
                "there is no manifest at {where}: the features are not complete, or it is no place of shards; run "
                "`penult embed` with the same --out, which goes on.",
                where=printable(where),
            )
        ) from None


def read_shards(output: Output, manifest: Manifest) -> list[Receipt]:
    """Return what each shard holds, in the order of the plan, without reasons. Raises `DamagedFile`."""
    where = f"{output.address}/{TABLE}"
    try:
        data = output.read(TABLE)
    except OSError as error:
        raise DamagedFile(
            _("{where} cannot be read ({error}); run the command that wrote it again.", where=printable(where), error=error)
        ) from error
    if hashlib.sha256(data).hexdigest() != manifest.shards_sha256:
        raise DamagedFile(
            _(
                "{where} was changed after it was written; remove it and {manifest}, and run the command that wrote "
                "them again.",
                where=printable(where),
                manifest=MANIFEST,
            )
        )
    return list(_receipts(data))


def _receipts(data: bytes) -> Iterator[Receipt]:
    lines = csv.reader(io.StringIO(data.decode()))
    next(lines)
    for name, rows, embedded, size, sha256 in lines:
        yield Receipt(name, int(rows), int(embedded), {}, int(size), sha256)

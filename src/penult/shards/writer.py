"""What every kind of shard has in common: the file, then a receipt that says what is in it; and what became of one.

A shard is done when both are there. Two machines may do the same one, and processors differ in the last bits of a vector: the
first one counts, and who writes reads both files back, so that whoever writes last leaves a pair that belongs together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol, TypeVar

from penult import untrusted
from penult.errors import DamagedFile, OutputError
from penult.i18n import _
from penult.shards.output import Output
from penult.texts import printable

SHARDS, DONE = "shards", "done"
_TRIES = 4  # to write a shard and its receipt so that they belong together


class PlannedShard(Protocol):
    """What is to be known of a shard to write it."""

    @property
    def name(self) -> str:
        """The name of its file, without folder and ending."""

    @property
    def rows(self) -> int:
        """The number of its images."""


TaskT_co = TypeVar("TaskT_co", bound=PlannedShard, covariant=True)


class TaskList(Protocol[TaskT_co]):
    """What is to be known of a plan here."""

    def tasks(self) -> Sequence[TaskT_co]:
        """Return the shards, in order."""


@dataclass(frozen=True, slots=True)
class ShardStatus:
    """What became of the `rows` images of a shard; `skipped`: it was there already. `reasons` counts the failed ones."""

    name: str
    rows: int
    embedded: int
    failed: int
    skipped: bool = False
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What stands in a shard: `rows` images, of which `embedded` have values, `reasons` of the others; size and sha256."""

    name: str
    rows: int
    embedded: int
    reasons: dict[str, int]
    size: int  # bytes
    sha256: str

    @property
    def failed(self) -> int:
        """The number of images without values."""
        return self.rows - self.embedded

    def to_json(self) -> bytes:
        """Return the receipt as a line of JSON, with the sha256 of all else as `check`."""
        values = asdict(self)
        return json.dumps({**values, "check": sha256_of_values(values)}, sort_keys=True).encode()

    @classmethod
    def parse(cls, data: bytes, where: str) -> Receipt:
        """Return the receipt that `ShardWriter` wrote. Raises `DamagedFile`; `where` is its file."""
        try:
            found = cls(**checked_values(data, "check"))
            counts = (found.rows, found.embedded, found.size, found.failed, *found.reasons.values())
            if not all(type(n) is int and n >= 0 for n in counts) or sum(found.reasons.values()) != found.failed:
                raise ValueError(_("its counts do not add up"))
            if len(bytes.fromhex(found.sha256)) != hashlib.sha256().digest_size:
                raise ValueError(_("it has no sha256"))
        except (ValueError, TypeError, AttributeError) as error:
            said = printable(str(error)[:200].rstrip(".。"))
            raise DamagedFile(
                _("{where} is no receipt of a shard ({said}); remove it, and run again.", where=printable(where), said=said)
            ) from error
        return found


class ShardWriter:
    """Writes shards to a place, and knows which are there."""

    def __init__(self, output: Output) -> None:
        self.output = output

    def status(self, task: PlannedShard) -> ShardStatus | None:
        """Return what became of a shard that is there already; None where it is not."""
        try:
            receipt = Receipt.parse(
                self.output.read(receipt_file(task.name)), f"{self.output.address}/{receipt_file(task.name)}"
            )
        except (FileNotFoundError, DamagedFile):
            return None
        if receipt.rows != task.rows or not self.output.exists(shard_file(task.name)):
            return None
        return ShardStatus(task.name, receipt.rows, receipt.embedded, receipt.failed, skipped=True, reasons=receipt.reasons)

    def write(self, task: PlannedShard, data: bytes, reasons: Mapping[str, int], seconds: float = 0.0) -> ShardStatus:
        """Write a shard, then its receipt, unless another machine has done it meanwhile; `reasons` counts its failed images.

        Raises `OutputError`, also where the two do not belong together when they are read back.
        """
        if there := self.status(task):
            return there
        failed = sum(reasons.values())
        sums = hashlib.sha256(data).hexdigest()
        receipt = Receipt(task.name, task.rows, task.rows - failed, dict(sorted(reasons.items())), len(data), sums)
        for _other in range(_TRIES):
            self.output.write(shard_file(task.name), data)
            self.output.write(receipt_file(task.name), receipt.to_json())
            if self._belong_together(task.name):
                return ShardStatus(task.name, task.rows, receipt.embedded, failed, False, seconds, receipt.reasons)
        raise OutputError(
            _(
                "{address}/{name} is not read back as it was written; look at the disk or store, and run the same "
                "command again: what is done is kept.",
                address=printable(self.output.address),
                name=shard_file(task.name),
            )
        )

    def _belong_together(self, name: str) -> bool:
        """Tell whether the receipt of a shard is of the file that is there: another machine may have written either."""
        try:
            receipt = Receipt.parse(self.output.read(receipt_file(name)), receipt_file(name))
            return hashlib.sha256(self.output.read(shard_file(name))).hexdigest() == receipt.sha256
        except (OSError, DamagedFile):
            return False


def sha256_of_values(values: Mapping[str, Any]) -> str:
    """Return the sha256 (hex) of JSON values, which stands among them in the file."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def checked_values(data: bytes, key: str) -> dict[str, Any]:
    """Return the JSON values of a file without their sha256, which is at `key`. Raises `ValueError` or `AttributeError`."""
    values: dict[str, Any] = untrusted.parse_json(data)
    if values.pop(key, "") != sha256_of_values(values):
        raise ValueError(_("it was changed after it was written"))
    return values


def shard_file(name: str) -> str:
    """Return where a shard lies below its place."""
    return f"{SHARDS}/{name}.parquet"


def receipt_file(name: str) -> str:
    """Return where the receipt of a shard lies below its place."""
    return f"{DONE}/{name}.json"


def done_names(output: Output) -> set[str]:
    """Return the names of the shards that are done."""
    there = {name.removesuffix(".parquet") for name in output.list(SHARDS)}
    return {name for one in output.list(DONE) if (name := one.removesuffix(".json")) in there}


def foreign_files(plan: TaskList[Any], output: Output) -> list[str]:
    """Return the files among the shards that no shard of the plan is called; they are left alone."""
    known = {task.name for task in plan.tasks()}
    found = [(SHARDS, name, ".parquet") for name in output.list(SHARDS)] + [
        (DONE, name, ".json") for name in output.list(DONE)
    ]
    return sorted(f"{folder}/{name}" for folder, name, end in found if name.removesuffix(end) not in known or end not in name)


def read_receipts(output: Output, names: Sequence[str]) -> Iterator[Receipt]:
    """Yield the receipts of these shards, in order. Raises `DamagedFile`, also for one that is not there."""
    for name, data in output.read_many([receipt_file(name) for name in names]):
        where = f"{output.address}/{name}"
        if isinstance(data, OSError):
            raise DamagedFile(
                _("{where} cannot be read ({data}); run the same command again.", where=printable(where), data=data)
            ) from data
        yield Receipt.parse(data, where)

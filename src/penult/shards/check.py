"""Is everything in a place as it was written? Every file is read and held against the sha256 in its manifest.

In: a folder or address. Out: what is wrong, file by file. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from penult.errors import DamagedFile
from penult.i18n import N_, _
from penult.shards.manifest import MANIFEST, TABLE, read_manifest, read_shards
from penult.shards.output import PLAN, Output, name_below, open_output, sha256_at
from penult.shards.plan import Plan
from penult.shards.writer import Receipt, foreign_files, receipt_file, shard_file

CHANGED, FOREIGN = N_("it was changed after it was written"), N_("belongs to no shard")


@dataclass(frozen=True, slots=True)
class Checked:
    """One file of a place: its name, and what is wrong with it; empty where it is as it was written."""

    name: str
    wrong: str = ""


def check_shards(address: str) -> Iterator[Checked]:
    """Yield every file of a complete place; of files of no shard of the plan `FOREIGN` is wrong.

    Raises `InputError` where there is no manifest.
    """
    output = open_output(address)
    try:
        manifest = read_manifest(output)
    except DamagedFile as error:
        yield Checked(MANIFEST, str(error))
        return
    try:
        shards = read_shards(output, manifest)
    except DamagedFile as error:
        yield Checked(TABLE, str(error))
        return
    yield Checked(MANIFEST)
    yield Checked(TABLE)
    sums = {PLAN: manifest.plan_sha256, **manifest.files}
    for name, wanted in sums.items():
        yield Checked(name, _compare(output, name, wanted))
    for shard in shards:
        yield Checked(shard_file(shard.name), _compare(output, shard_file(shard.name), shard.sha256))
        yield Checked(receipt_file(shard.name), _receipt(output, shard))
    try:
        foreign = foreign_files(Plan.open(name_below(address, PLAN)), output)
    except ValueError:  # told above
        return
    yield from (Checked(name, FOREIGN) for name in foreign)


def _compare(output: Output, name: str, wanted: str) -> str:
    try:
        found = sha256_at(name_below(output.address, name))
    except OSError as error:
        return _("it cannot be read ({error})", error=_(str(error.strerror)) if error.strerror else error)
    return "" if found == wanted else CHANGED


def _receipt(output: Output, shard: Receipt) -> str:
    """Return what is wrong with a receipt beside the table of shards."""
    try:
        found = Receipt.parse(output.read(receipt_file(shard.name)), shard.name)
    except OSError as error:
        return _("it cannot be read ({error})", error=_(str(error.strerror)) if error.strerror else error)
    except DamagedFile:
        return CHANGED
    return "" if replace(found, reasons={}) == shard else CHANGED

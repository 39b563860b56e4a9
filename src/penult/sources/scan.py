"""What kind of source a path or an address is, and the images in it, streamed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Literal

from penult.errors import InputError
from penult.i18n import N_, _
from penult.sources.entries import Skip
from penult.sources.folder import NOT_IMAGE, walk_folder
from penult.sources.member import Member
from penult.sources.names import TABLES, archive_kind, path_key
from penult.sources.parquet_images import ANY_COLUMNS, ParquetColumns, parquet_members
from penult.sources.parquet_tables import is_parquet_table
from penult.sources.remote_file import open_binary, tag_of, tag_of_stat
from penult.sources.tar import tar_members
from penult.sources.zip import zip_members
from penult.texts import in_quotes, is_url, printable, system_words

SourceKind = Literal["folder", "table", "tar", "zip", "parquet", "objects"]
_OTHER_ARCHIVES = (".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar", ".gz", ".bz2", ".xz", ".zst")


def kind_of(source: str) -> SourceKind | None:
    """Return what a path or an address (`s3://`, `gs://`, `az://`) is; None for what is not there or none of these.

    A folder inside an archive (`photos.zip/train`) is that archive; a Parquet file without images in it is a table. A folder
    of tar, zip or Parquet files without images beside them is a folder; `members` looks into them.
    """
    if not is_url(source) and os.path.isdir(source):  # noqa: PTH112 - names that no file can have are no reason to fail
        return "folder"
    archive, _ = split_inside(source)
    if _is_archive(archive):
        kind = archive_kind(archive)
        return "table" if kind == "parquet" and archive == source and is_parquet_table(source) else kind
    if source.lower().endswith(TABLES):
        return "table" if os.path.isfile(source) else None  # noqa: PTH113 - at an address there are no tables
    return "objects" if is_url(source) else None


def no_source(source: str, cure: str) -> InputError:
    """Return the error for what `kind_of` tells to be no source of images: with the reason, if that is known, else `cure`."""
    name, lower = in_quotes(source), source.lower()
    if is_url(source):
        return InputError(
            _(
                "{name} is a CSV at an address, and a CSV is read only from a disk; download it, and give the "
                "address of its photos with --image-dir",
                name=name,
            )
        )
    if lower.startswith(("http://", "https://")):
        return InputError(
            _(
                "{name} is a web address, and penult downloads nothing; download it, for instance with img2dataset, "
                "and give what that writes",
                name=name,
            )
        )
    if not os.path.exists(source):  # noqa: PTH110 - names that no file can have
        return InputError(_("{name} does not exist; {cure}", name=name, cure=_(cure)))
    if lower.endswith(".numbers"):
        return InputError(
            _("{name} is a workbook of Apple's Numbers; export it as Excel or CSV, and give that file", name=name)
        )
    if lower.endswith(_OTHER_ARCHIVES):
        return InputError(
            _("{name} is an archive that is not read; unpack it, or pack it as .tar, .tar.gz or .zip", name=name)
        )
    return InputError(
        _("{name} is neither a folder nor a CSV, nor a tar, zip or Parquet file; {cure}", name=name, cure=_(cure))
    )


def split_inside(source: str) -> tuple[str, str]:
    """Return `photos.zip` and `train` for `photos.zip/train`; everything else as it is, and nothing."""
    whole, inside = source.replace(os.sep, "/").rstrip("/"), ""
    while "/" in whole:
        if _is_archive(whole):
            return (whole, inside) if inside else (source, "")
        whole, _, last = whole.rpartition("/")
        inside = f"{last}/{inside}" if inside else last
    return source, ""


def _is_archive(source: str) -> bool:
    """Tell whether an archive is at a path or an address; in a store folders, and buckets, may be called so, too."""
    if archive_kind(source) is None:
        return False
    if not is_url(source):
        return os.path.isfile(source)  # noqa: PTH113 - names that no file can have are no reason to fail
    from penult.objects import open_store

    above, _, name = source.rpartition("/")
    return is_url(above) and open_store(above).head(name) is not None


def locate(source: str, ids: Sequence[str]) -> list[str | Member]:
    """Return where the images of these ids lie: paths below a folder, members of all else. What is gone is a path, too."""
    if kind_of(source) == "folder":
        paths = [os.path.join(source, id) for id in ids]  # noqa: PTH118 - odd bytes, and `//`, survive
        if not any(archive_kind(part) for id in ids for part in id.split("/")[:-1]):
            return list(paths)
    elif kind_of(source) in (None, "table"):
        return [os.path.join(source, id) for id in ids]  # noqa: PTH118
    wanted = dict.fromkeys(ids)
    found = {member.id: member for member in members(source) if member.id in wanted}
    return [found.get(id) or os.path.join(source, id) for id in ids]  # noqa: PTH118


def members(source: str, on_skip: Skip = lambda kind, name: None, columns: ParquetColumns = ANY_COLUMNS) -> Iterator[Member]:
    """Yield the images of a source one by one, a folder at a time in natural order, archives in their own order.

    Of a folder without a single image the tar, zip and Parquet files are looked into; ids are then `shard.tar/0001.jpg`.
    `on_skip(kind, name)` is told of everything that is passed over. `columns` are about Parquet files. Raises InputError
    for a source that cannot be read at all; one image that cannot be yields a member whose `read` raises.
    """
    kind = kind_of(source)
    archive, inside = split_inside(source)
    if inside:
        yield from _inside(members(archive, on_skip, columns), inside)
    elif kind in ("folder", "objects"):
        yield from _several(source, _files if kind == "folder" else _objects, on_skip, columns)
    elif kind in (None, "table") and archive_kind(source) != "parquet":
        raise no_source(source, N_("give a folder, a CSV, a tar, zip or Parquet file, or an address such as s3://BUCKET/PATH"))
    else:
        yield from archive_members(source, on_skip, columns)


def _inside(found: Iterator[Member], folder: str) -> Iterator[Member]:
    for member in found:
        if member.id.startswith(folder + "/"):
            yield replace(member, id=member.id[len(folder) + 1 :])
        elif member.id == folder:  # the one that is meant
            yield replace(member, id=folder.rpartition("/")[2])


def archive_members(source: str, on_skip: Skip, columns: ParquetColumns, prefix: str = "") -> Iterator[Member]:
    """Yield the images of one tar, zip or Parquet file; ids begin with `prefix`. Raises InputError as `members` does."""
    kind = archive_kind(source)
    try:
        with closing(open_binary(source)) as file:
            if kind == "parquet":
                opened = file if is_url(source) else source
                yield from parquet_members(opened, source, tag_of(file), on_skip, prefix, columns)
            else:
                read = zip_members if kind == "zip" else tar_members
                yield from read(file, source, tag_of(file), on_skip, prefix)
    except OSError as error:
        raise InputError(
            _(
                "'{source}' cannot be read ({reason}); check that it is there and may be opened",
                source=printable(source),
                reason=system_words(error),
            )
        ) from error


def _several(
    source: str, images_of: Callable[[str, Skip], Iterator[Member]], on_skip: Skip, columns: ParquetColumns
) -> Iterator[Member]:
    """Yield the images below a folder or address; of one without any what its archives have."""
    archives: list[str] = []

    def skip(kind: str, name: str) -> None:
        if kind == NOT_IMAGE and archive_kind(name) is not None:
            archives.append(name)
        else:
            on_skip(kind, name)

    found = False
    for member in images_of(source, skip):
        found = True
        yield member
    if not found:
        yield from in_archives(source, archives, on_skip, columns)
        return
    for name in archives:
        on_skip(NOT_IMAGE, name)


def in_archives(source: str, names: Iterable[str], on_skip: Skip, columns: ParquetColumns) -> Iterator[Member]:
    """Yield the images in the archives of these names below a folder or address; ids begin with the names."""
    for name in sorted(names, key=path_key):
        yield from archive_members(f"{source.rstrip('/')}/{name}", on_skip, columns, f"{name}/")


def _files(folder: str, skip: Skip) -> Iterator[Member]:
    start = len(os.path.join(folder, ""))  # noqa: PTH118 - of the path inside
    for id, _top, entry in walk_folder(folder, lambda kind, unread, name: skip(kind, name)):
        try:
            found = entry.stat()
            size, tag = found.st_size, tag_of_stat(found)
        except OSError:  # gone meanwhile: an image that cannot be read
            size, tag = -1, ""
        yield Member(id, folder, entry.path[start:], size=size, tag=tag)


def _objects(url: str, skip: Skip) -> Iterator[Member]:
    from penult.sources.stores import stored_members  # requests, in threads: no decoding process needs them

    yield from stored_members(url, skip)
